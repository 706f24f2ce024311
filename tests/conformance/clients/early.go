// early length|chunked URL BYTES TIMES: as early.py, with Go's net/http.
package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
)

func main() {
	size, _ := strconv.Atoi(os.Args[3])
	times, _ := strconv.Atoi(os.Args[4])
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	client := &http.Client{Transport: transport}
	for i := 0; i < times; i++ {
		var body io.Reader = bytes.NewReader(make([]byte, size))
		if os.Args[1] == "chunked" {
			body = io.MultiReader(body) // whose length it cannot see
		}
		answer, err := client.Post(os.Args[2], "text/plain", body)
		if err != nil {
			fmt.Printf("%T ", err)
			continue
		}
		io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		fmt.Print(answer.StatusCode, " ")
	}
	fmt.Println()
}
