#!/usr/bin/env bash
# Surprise: a counter whose name does not end in _total (ingress-nginx has nginx_ingress_controller_requests) is another thing
#   depending on who asks, or who reads. client_golang declares it a counter in the text format and "unknown" in OpenMetrics,
#   which Prometheus prefers in its Accept. prometheus_client's reader of the *text* format, where no rule about the suffix
#   exists, renames the sample to ..._total, so a program that looks for the name that the page shows finds nothing.
# Source: OpenMetrics 1.0, Counter (the sample's name has the suffix _total); Prometheus' text format 0.0.4 has no such rule.
#   github.com/prometheus/common 0.74.0 expfmt/openmetrics_create.go; client_golang 1.25.0; prometheus_client 0.26.0.
# Usual guess: the format of a page changes how a series is written, not its type or its name.
set -euo pipefail
T=$(mktemp -d)
. "$(dirname "$0")/lib/packages.sh"
from_pypi prometheus_client==0.26.0
from_go github.com/prometheus/client_golang@v1.25.0 github.com/prometheus/common@v0.74.0

mkdir -p "$T/go/page"
cat >"$T/go/page/main.go" <<'G'
package main

import (
	"fmt"
	"io"
	"net/http/httptest"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

func main() {
	r := prometheus.NewRegistry()
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "app_requests", Help: "Requests."})
	r.MustRegister(c)
	c.Add(5)
	h := promhttp.HandlerFor(r, promhttp.HandlerOpts{EnableOpenMetrics: true})
	for _, accept := range []string{"text/plain;version=0.0.4", "application/openmetrics-text;version=1.0.0"} {
		q := httptest.NewRequest("GET", "/metrics", nil)
		q.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, q)
		b, _ := io.ReadAll(w.Body)
		fmt.Printf("%s\n%s", accept, b)
	}
}
G
cat >"$T/read.py" <<'P'
from prometheus_client.parser import text_string_to_metric_families
page = "# HELP app_requests Requests.\n# TYPE app_requests counter\napp_requests 5\n"
for family in text_string_to_metric_families(page):
    print("prometheus_client", family.type, [(s.name, s.value) for s in family.samples])
P
go_build page
{ "$T/go/page.bin"; "$T/py/bin/python" "$T/read.py"; } >"$T/got"
holds "$T/got" <<'X' || exit 1
text/plain;version=0.0.4
# HELP app_requests Requests.
# TYPE app_requests counter
app_requests 5
application/openmetrics-text;version=1.0.0
# HELP app_requests Requests.
# TYPE app_requests unknown
app_requests 5.0
# EOF
prometheus_client counter [('app_requests_total', 5)]
X
