# Sourced behind packages.sh: a server of HTTP/2 without TLS that sends what frames a finding says. $T/go/server wants two
# functions of it: asked(frames, stream, path) for each request, and pinged(frames) for each PING that the client answers.
# What one of them writes reaches the client at once.
from_go golang.org/x/net@v0.62.0
mkdir -p "$T/go/server" "$T/go/client"
cat >"$T/go/server/serve.go" <<'G'
package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// A block of fields: a name, its value, and so on.
func block(texts ...string) []byte {
	var out bytes.Buffer
	e := hpack.NewEncoder(&out)
	for i := 0; i < len(texts); i += 2 {
		e.WriteField(hpack.HeaderField{Name: texts[i], Value: texts[i+1]})
	}
	return out.Bytes()
}

func serve(c net.Conn) {
	defer c.Close()
	io.ReadFull(c, make([]byte, len(http2.ClientPreface)))
	var out bytes.Buffer
	f := http2.NewFramer(&out, c)
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	f.WriteSettings()
	for {
		if _, err := out.WriteTo(c); err != nil {
			return
		}
		frame, err := f.ReadFrame()
		if err != nil {
			return
		}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				f.WriteSettingsAck()
			}
		case *http2.MetaHeadersFrame:
			asked(f, frame.StreamID, frame.PseudoValue("path"))
		case *http2.PingFrame:
			if frame.IsAck() {
				pinged(f)
			} else {
				f.WritePing(true, frame.Data)
			}
		}
	}
}

func main() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	os.WriteFile(os.Args[1], []byte(fmt.Sprint(l.Addr().(*net.TCPAddr).Port)), 0o600)
	for {
		if c, err := l.Accept(); err == nil {
			go serve(c)
		}
	}
}
G
