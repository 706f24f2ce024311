// A pod made of Go's net/http. Prints its address.
package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.New()
		n, err := io.Copy(sum, r.Body)
		if err != nil {
			http.Error(w, err.Error(), 400)
			return
		}
		w.Header().Set("X-Pod", "go")
		w.Header().Set("X-Length", strconv.FormatInt(n, 10))
		w.Header().Set("X-Sha256", fmt.Sprintf("%x", sum.Sum(nil)))
		if r.URL.Query().Get("trailer") != "" {
			w.Header().Set("Trailer", "X-End")
		}
		size, _ := strconv.Atoi(r.URL.Query().Get("size"))
		block := make([]byte, 8192)
		for size > 0 {
			k := min(size, len(block))
			w.Write(block[:k])
			size -= k
			if r.URL.Query().Get("flush") != "" {
				w.(http.Flusher).Flush()
			}
		}
		if r.URL.Query().Get("trailer") != "" {
			w.Header().Set("X-End", "yes")
		}
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println("listening", l.Addr())
	http.Serve(l, nil)
}

func min(a, b int) int {
	if a < b {
		return a
	}
	return b
}
