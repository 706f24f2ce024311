#!/usr/bin/env bash
# Surprise: OpenTelemetry's JavaScript loses the random flag of a trace that it continues: from `traceparent: 00-…-03` it sends
#   01, from 02 it sends 00, with the trace-id that it was given. Python's and Go's send 03 and 02. For a trace that begins with
#   them Python says 03, and Go and JavaScript say 01, though all three make the trace-id at random.
# Source: W3C Trace Context Level 2 section 3.2.2.5.2 (Random Trace ID Flag): who continues a trace with the trace-id it was given
#   must set the flag to what the caller said; who begins one and makes the last seven bytes at random should set it.
#   @opentelemetry/sdk-trace-base 2.12.1, opentelemetry-sdk 1.45.2 (PyPI), go.opentelemetry.io/otel 1.47.0.
# Usual guess: trace-flags are passed on but for the bit `sampled`, or all libraries drop what Level 1 did not have.
set -euo pipefail
T=$(mktemp -d)
. "$(dirname "$0")/lib/packages.sh"
from_pypi opentelemetry-api==1.45.2 opentelemetry-sdk==1.45.2
from_npm @opentelemetry/api@1.9.1 @opentelemetry/core@2.12.1 @opentelemetry/sdk-trace-base@2.12.1

cat >"$T/one.py" <<'P'
from opentelemetry import context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

tracer, w3c = TracerProvider().get_tracer("x"), TraceContextTextMapPropagator()
for flags in ("00", "01", "02", "03", None):
    given = {} if flags is None else {"traceparent": f"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}"}
    with tracer.start_as_current_span("a", context=w3c.extract(given)):
        sent = {}
        w3c.inject(sent)
        print("Python", flags or "none", "->", sent["traceparent"][-2:])
P
cat >"$T/one.mjs" <<'J'
import { ROOT_CONTEXT, trace, defaultTextMapGetter, defaultTextMapSetter } from "@opentelemetry/api";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { BasicTracerProvider } from "@opentelemetry/sdk-trace-base";

const tracer = new BasicTracerProvider().getTracer("x"), w3c = new W3CTraceContextPropagator();
for (const flags of ["00", "01", "02", "03", null]) {
  const given = flags ? { traceparent: `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-${flags}` } : {};
  const parent = w3c.extract(ROOT_CONTEXT, given, defaultTextMapGetter);
  const span = tracer.startSpan("a", {}, parent), sent = {};
  w3c.inject(trace.setSpan(parent, span), sent, defaultTextMapSetter);
  console.log("JavaScript", flags ?? "none", "->", sent.traceparent.slice(-2));
}
J
from_go go.opentelemetry.io/otel@v1.47.0 go.opentelemetry.io/otel/sdk@v1.47.0
mkdir "$T/go/one"
cat >"$T/go/one/main.go" <<'G'
package main

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/trace"
)

func main() {
	tracer, w3c := trace.NewTracerProvider().Tracer("x"), propagation.TraceContext{}
	for _, flags := range []string{"00", "01", "02", "03", "none"} {
		given, sent := propagation.MapCarrier{}, propagation.MapCarrier{}
		if flags != "none" {
			given["traceparent"] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-" + flags
		}
		ctx, _ := tracer.Start(w3c.Extract(context.Background(), given), "a")
		w3c.Inject(ctx, sent)
		p := sent["traceparent"]
		fmt.Println("Go", flags, "->", p[len(p)-2:])
	}
}
G
go_build one
{
  "$T/py/bin/python" "$T/one.py"
  (cd "$T" && node one.mjs)
  "$T/go/one.bin"
} >"$T/got"
holds "$T/got" <<'X' || exit 1
Python 00 -> 00
Python 01 -> 01
Python 02 -> 02
Python 03 -> 03
Python none -> 03
JavaScript 00 -> 00
JavaScript 01 -> 01
JavaScript 02 -> 00
JavaScript 03 -> 01
JavaScript none -> 01
Go 00 -> 00
Go 01 -> 01
Go 02 -> 02
Go 03 -> 03
Go none -> 01
X
