#!/usr/bin/env bash
# Surprise: a request may bring its tracestate and its baggage in several lines each. OpenTelemetry's Go reads all lines of baggage and the
#   first of tracestate; its Python all lines of tracestate and the first of baggage; its JavaScript all of both. What stood in the other lines is not
#   there, without an error, and is not sent on: a trace loses its sampling or its vendor's mark at whichever service is written in Go, its
#   baggage at those in Python. An empty first line costs all of it. In one line all three read everything.
# Source: W3C Trace Context section 3.3 (tracestate may come as multiple header fields, which MUST be handled as RFC 7230 section 3.2.2
#   says: joined by commas, in their order), W3C Baggage section 3 (multiple baggage headers are allowed), RFC 9110 section 5.3.
#   go.opentelemetry.io/otel 1.47.0 (TraceContext asks the carrier by Get, Baggage by Values), opentelemetry-api 1.45.2 (the
#   propagator of baggage takes the first of the list), @opentelemetry/core 2.12.1.
# Usual guess: lines of one name are one list, and a library that knows it of one of the two fields knows it of the other.
set -euo pipefail
T=$(mktemp -d)
. "$(dirname "$0")/lib/packages.sh"
from_pypi opentelemetry-api==1.45.2
from_npm @opentelemetry/core@2.12.1 @opentelemetry/api@1.9.1
from_go go.opentelemetry.io/otel@v1.47.0 go.opentelemetry.io/otel/trace@v1.47.0

cat >"$T/read.py" <<'P'
import json, sys
from opentelemetry import baggage, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
for case in sys.argv[1:]:
    lines = json.loads(case)
    fields = {"traceparent": ["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"], "tracestate": lines, "baggage": lines}
    state = trace.get_current_span(TraceContextTextMapPropagator().extract(fields)).get_span_context().trace_state
    bag = baggage.get_all(W3CBaggagePropagator().extract(fields))
    print("python", case, "tracestate", state.to_header() or "-", "baggage", ",".join(sorted(f"{k}={v}" for k, v in bag.items())) or "-")
P
cat >"$T/read.mjs" <<'J'
import { ROOT_CONTEXT, defaultTextMapGetter as getter, propagation, trace } from "@opentelemetry/api";
import { W3CBaggagePropagator, W3CTraceContextPropagator } from "@opentelemetry/core";
for (const text of process.argv.slice(2)) {
  const lines = JSON.parse(text);
  const fields = { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", tracestate: lines, baggage: lines };
  const state = trace.getSpanContext(new W3CTraceContextPropagator().extract(ROOT_CONTEXT, fields, getter)).traceState?.serialize();
  const bag = propagation.getBaggage(new W3CBaggagePropagator().extract(ROOT_CONTEXT, fields, getter))?.getAllEntries() ?? [];
  console.log("javascript", text, "tracestate", state || "-", "baggage", bag.map(([k, v]) => `${k}=${v.value}`).sort().join() || "-");
}
J
mkdir -p "$T/go/read"
cat >"$T/go/read/main.go" <<'G'
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"sort"
	"strings"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

func main() {
	for _, text := range os.Args[1:] {
		var lines []string
		json.Unmarshal([]byte(text), &lines)
		fields := propagation.HeaderCarrier(http.Header{"Traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}, "Tracestate": lines, "Baggage": lines})
		x := propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}).Extract(context.Background(), fields)
		var bag []string
		for _, m := range baggage.FromContext(x).Members() {
			bag = append(bag, m.Key()+"="+m.Value())
		}
		sort.Strings(bag)
		or := func(s string) string {
			if s == "" {
				return "-"
			}
			return s
		}
		fmt.Println("go", text, "tracestate", or(trace.SpanContextFromContext(x).TraceState().String()), "baggage", or(strings.Join(bag, ",")))
	}
}
G
go_build read
CASES=('["a=1,b=2"]' '["a=1","b=2"]' '["","a=1"]')
{
  "$T/go/read.bin" "${CASES[@]}" 2>"$T/log"  # of the empty line it says "invalid baggage list-member", and reads on
  "$T/py/bin/python" "$T/read.py" "${CASES[@]}"
  node "$T/read.mjs" "${CASES[@]}"
} >"$T/got"
holds "$T/got" <<'X' || exit 1
go ["a=1,b=2"] tracestate a=1,b=2 baggage a=1,b=2
go ["a=1","b=2"] tracestate a=1 baggage a=1,b=2
go ["","a=1"] tracestate - baggage a=1
python ["a=1,b=2"] tracestate a=1,b=2 baggage a=1,b=2
python ["a=1","b=2"] tracestate a=1,b=2 baggage a=1
python ["","a=1"] tracestate a=1 baggage -
javascript ["a=1,b=2"] tracestate a=1,b=2 baggage a=1,b=2
javascript ["a=1","b=2"] tracestate a=1,b=2 baggage a=1,b=2
javascript ["","a=1"] tracestate a=1 baggage a=1
X
