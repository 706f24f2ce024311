// A client made of Go's net/http: keep-alive GETs, POSTs of known and unknown length, trailers, a large body, an upgrade refused.
// goclient BASE HOST [ADDRESS]: with an ADDRESS, BASE is https and is dialled there, and every answer must be of HTTP/2.
// Prints "ok" and exits 0, or says what was wrong.
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
)

func check(good bool, format string, args ...any) {
	if !good {
		fmt.Printf(format+"\n", args...)
		os.Exit(1)
	}
}

func main() {
	base, host := os.Args[1], os.Args[2]
	major := 1
	if len(os.Args) > 3 {
		major = 2
		http.DefaultTransport = &http.Transport{
			ForceAttemptHTTP2: true,
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, network, os.Args[3])
			},
		}
	}
	do := func(method, path string, body io.Reader) (*http.Response, []byte) {
		r, err := http.NewRequest(method, base+path, body)
		check(err == nil, "request: %v", err)
		r.Host = host
		a, err := http.DefaultClient.Do(r)
		check(err == nil, "%s %s: %v", method, path, err)
		check(a.ProtoMajor == major, "%s %s came over %s", method, path, a.Proto)
		data, err := io.ReadAll(a.Body)
		check(err == nil, "%s %s body: %v", method, path, err)
		a.Body.Close()
		return a, data
	}
	var group sync.WaitGroup
	for c := 0; c < 8; c++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for i := 0; i < 100; i++ {
				a, data := do("GET", fmt.Sprintf("/g?size=%d", i*37), nil)
				check(a.StatusCode == 200 && len(data) == i*37, "GET %d: %d, %d bytes", i, a.StatusCode, len(data))
			}
		}()
	}
	group.Wait()
	a, _ := do("POST", "/p", strings.NewReader(strings.Repeat("x", 12345)))
	check(a.Header.Get("X-Req-Length") == "12345", "known length: %q", a.Header.Get("X-Req-Length"))
	a, _ = do("POST", "/p", io.MultiReader(strings.NewReader("hello "), strings.NewReader("world")))
	check(a.Header.Get("X-Req-Length") == "11", "unknown length: %q", a.Header.Get("X-Req-Length"))
	a, data := do("GET", "/t?size=100&chunked=1&trailers=1", nil)
	check(len(data) == 100 && a.Trailer.Get("X-Sum") == "100", "trailers: %v", a.Trailer)
	a, data = do("HEAD", "/h?size=77", nil)
	check(a.ContentLength == 77 && len(data) == 0, "HEAD: %d", a.ContentLength)
	a, data = do("GET", "/big?size=20000000", nil)
	check(len(data) == 20000000, "big: %d", len(data))
	a, _ = do("PUT", "/put", bytes.NewReader(make([]byte, 1<<20)))
	check(a.Header.Get("X-Req-Length") == "1048576", "PUT: %q", a.Header.Get("X-Req-Length"))
	a, _ = do("GET", "/s?status=204", nil)
	check(a.StatusCode == 204, "204: %d", a.StatusCode)
	fmt.Println("ok")
}
