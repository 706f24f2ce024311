#!/usr/bin/env bash
# Surprise: Kubernetes' client-go sends a request that failed with any 5xx, or 429, up to ten times more where the answer has a
#   Retry-After in seconds, whatever the method: eleven POSTs of a Create behind a 504, of which each may have been done. Without the
#   field, or with the same field as a date, it sends one. The caller sees one error and no count. Kubernetes' Python client repeats
#   GET three times, reads the date as well, and never repeats POST. So a proxy in front of an API server (of
#   several clusters, of a private network) decides by one field of its error page how often a thing is made, and how long a client waits.
# Source: RFC 9110 section 10.2.3 (Retry-After is seconds or a date), section 9.2.2 (a client should not repeat by itself what is not
#   idempotent unless it knows that the first one was not applied). k8s.io/client-go 0.37.2 rest/with_retry.go;
#   kubernetes 37.0.2 on PyPI over urllib3 2.8.0 (429 and 503 alone, methods that are idempotent).
# Usual guess: Retry-After is advice for whoever decides to retry; 429 and 503 may be repeated, and a POST behind 500 or 504 is not.
set -euo pipefail
T=$(mktemp -d)
. "$(dirname "$0")/lib/packages.sh"
from_pypi kubernetes==37.0.2 urllib3==2.8.0
from_go k8s.io/client-go@v0.37.2

cat >"$T/server.py" <<'P'
# /504/seconds/…: 504 with Retry-After; how often a path was asked is told at /asked/PATH.
import collections, email.utils, http.server, sys
asked = collections.Counter()
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        _, status, form, rest = self.path.split("/", 3)
        body = b"busy"
        if status == "asked":
            body = str(asked[f"/{form}/{rest}"]).encode()
            self.send_response(200)
        else:
            asked[self.path] += 1
            self.send_response(int(status))
            if form == "seconds": self.send_header("Retry-After", "0")
            if form == "date": self.send_header("Retry-After", email.utils.formatdate(usegmt=True))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    do_GET = do_POST = answer
    def log_message(self, *_): pass
s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
open(sys.argv[1], "w").write(str(s.server_port))
s.serve_forever()
P
cat >"$T/client.py" <<'P'
import sys, urllib.request
from kubernetes import client
base, *errors = sys.argv[1:]
for error in errors:
    c = client.Configuration()
    c.host = f"{base}/{error}/python"
    api, counts = client.CoreV1Api(client.ApiClient(c)), []
    for call in (lambda: api.read_namespace("a"), lambda: api.create_namespace({"metadata": {"name": "a"}})):
        try: call()
        except client.ApiException as e: assert e.status == int(error.split("/")[0])
    for path in ("/api/v1/namespaces/a", "/api/v1/namespaces"):
        counts.append(urllib.request.urlopen(f"{base}/asked/{error}/python{path}").read().decode())
    print("python   ", error, "GET", counts[0], "POST", counts[1])
P
mkdir -p "$T/go/client"
cat >"$T/go/client/main.go" <<'G'
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

func main() {
	base := os.Args[1]
	count := func(path string) string {
		r, err := http.Get(base + "/asked" + path)
		if err != nil {
			panic(err)
		}
		b, _ := io.ReadAll(r.Body)
		return string(b)
	}
	for _, e := range os.Args[2:] {
		c, err := kubernetes.NewForConfig(&rest.Config{Host: base + "/" + e + "/go", QPS: -1})
		if err != nil {
			panic(err)
		}
		x, api, path := context.Background(), c.CoreV1().Namespaces(), "/"+e+"/go/api/v1/namespaces"
		_, read := api.Get(x, "a", meta.GetOptions{})
		_, made := api.Create(x, &core.Namespace{ObjectMeta: meta.ObjectMeta{Name: "a"}}, meta.CreateOptions{})
		if read == nil || made == nil {
			panic("no error")
		}
		fmt.Println("client-go", e, "GET", count(path+"/a"), "POST", count(path))
	}
}
G
go_build client
python3 "$T/server.py" "$T/port" &
errors="503/none 503/date 503/seconds 504/date 504/seconds 500/seconds 502/seconds 429/seconds"
url=http://127.0.0.1:$(port_in "$T/port")
# shellcheck disable=SC2086
{
  "$T/go/client.bin" "$url" $errors
  "$T/py/bin/python" "$T/client.py" "$url" $errors
} >"$T/got"
holds "$T/got" <<'X' || exit 1
client-go 503/none GET 1 POST 1
client-go 503/date GET 1 POST 1
client-go 503/seconds GET 11 POST 11
client-go 504/date GET 1 POST 1
client-go 504/seconds GET 11 POST 11
client-go 500/seconds GET 11 POST 11
client-go 502/seconds GET 11 POST 11
client-go 429/seconds GET 11 POST 11
python    503/none GET 1 POST 1
python    503/date GET 4 POST 1
python    503/seconds GET 4 POST 1
python    504/date GET 1 POST 1
python    504/seconds GET 1 POST 1
python    500/seconds GET 1 POST 1
python    502/seconds GET 1 POST 1
python    429/seconds GET 4 POST 1
X
