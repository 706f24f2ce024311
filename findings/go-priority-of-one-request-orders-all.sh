#!/usr/bin/env bash
# Surprise: Go's server of HTTP/2 (since Go 1.27) answers the requests of a connection in turns, until one of them has the field Priority, whatever it
#   says: from then on those without it are answered one after the other, the whole of one before the next. And all of it holds only while no
#   request of the connection has had Via, Forwarded or X-Forwarded-For: after that the server goes by no priority any more, "u=0" neither, be the
#   later requests with or without these fields. Behind a proxy that says X-Forwarded-For a page's most urgent file waits as any other.
# Source: RFC 9218 section 4 (without the field urgency is 3, and not incremental), 10 (incremental ones share, others go one by one), 13.1 (many
#   clients on one connection of an intermediary: a server may be fair to them, and sees by Forwarded, X-Forwarded-For or Via that it has to). Go 1.27.1
#   net/http (internal/http2, processHeaders: priorityAware, hasIntermediary); Go 1.26 knows no priorities. Frames: golang.org/x/net 0.62.0.
# Usual guess: a request's Priority is about that request, and what a client says of urgency arrives through a proxy that passes it on.
set -euo pipefail
T=$(mktemp -d)
. "$(dirname "$0")/lib/packages.sh"
export GOTOOLCHAIN=go1.27.1
from_go golang.org/x/net@v0.62.0

mkdir -p "$T/go/ask"
cat >"$T/go/ask/main.go" <<'G'
package main

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

type fields map[string]string

var address string

// Three requests of a connection. The first one's answer uses up the connection's window, so that the answers to the two others lie ready when it opens:
// which of them do the frames belong to?
func ask(what string, of ...fields) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		panic(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	c.Write([]byte(http2.ClientPreface))
	f := http2.NewFramer(c, c)
	f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	send := func(stream uint32, path string, more fields) {
		block.Reset()
		for _, h := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "pod"}, {":path", path}} {
			e.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]})
		}
		for name, value := range more {
			e.WriteField(hpack.HeaderField{Name: name, Value: value})
		}
		f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true})
	}
	var order strings.Builder
	heads, ended := 0, 0
	until := func(done func() bool) {
		for !done() {
			frame, err := f.ReadFrame()
			if err != nil {
				panic(err)
			}
			switch frame := frame.(type) {
			case *http2.SettingsFrame:
				if !frame.IsAck() {
					f.WriteSettingsAck()
				}
			case *http2.HeadersFrame:
				heads++
			case *http2.DataFrame:
				if frame.StreamID > 1 && len(frame.Data()) > 0 {
					fmt.Fprint(&order, frame.StreamID)
				}
				if frame.StreamEnded() {
					ended++
				}
			}
		}
	}
	send(1, "/window", of[0])
	until(func() bool { return ended == 1 })
	send(3, "/", of[1])
	send(5, "/", of[2])
	until(func() bool { return heads == 3 })
	time.Sleep(500 * time.Millisecond)
	f.WriteWindowUpdate(0, 1<<20)
	until(func() bool { return ended == 3 })
	switch how := order.String(); how {
	case "35353535", "53535353":
		fmt.Println(what, "in turns")
	case "33335555", "55553333":
		if of[1]["priority"] == of[2]["priority"] {
			fmt.Println(what, "one after the other")
		} else {
			fmt.Println(what, "one after the other, the first is", how[:1])
		}
	default:
		fmt.Println(what, how)
	}
}

func main() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	address = l.Addr().String()
	var h2c http.Protocols
	h2c.SetUnencryptedHTTP2(true)
	go (&http.Server{Protocols: &h2c, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		size := 4 * 16384
		if r.URL.Path == "/window" {
			size = 65535
		}
		w.Write(make([]byte, size))
	})}).Serve(l)
	none, forwarded := fields{}, fields{"x-forwarded-for": "192.0.2.1"}
	ask("no priorities:", none, none, none)
	ask("the default as priority of an earlier request:", fields{"priority": "u=3"}, none, none)
	ask("the same, incremental:", fields{"priority": "i"}, none, none)
	ask("the second of two is urgent:", none, none, fields{"priority": "u=0"})
	ask("the second of two is urgent, with X-Forwarded-For:", forwarded, forwarded, fields{"priority": "u=0", "x-forwarded-for": "192.0.2.1"})
	ask("the second of two is urgent, an earlier request had Via:", fields{"via": "1.1 proxy"}, none, fields{"priority": "u=0"})
}
G
go_build ask
"$T/go/ask.bin" >"$T/got"
holds "$T/got" <<'X' || exit 1
no priorities: in turns
the default as priority of an earlier request: one after the other
the same, incremental: one after the other
the second of two is urgent: one after the other, the first is 5
the second of two is urgent, with X-Forwarded-For: in turns
the second of two is urgent, an earlier request had Via: in turns
X
