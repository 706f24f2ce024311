#!/usr/bin/env bash
# Surprise: a "+" in a value of the baggage header is a space for services on OpenTelemetry's Python (and nothing at all at
#   the value's beginning), and a "+" for those in Go and JavaScript. The offset of a time in baggage is so lost in one hop of
#   many, and the services beyond it read a "+" again. A member's properties (";ttl=1") become part of its value there.
# Source: W3C Baggage, definition of value (baggage-octet includes %x2B; values are percent-encoded, which has no "+" for space;
#   properties follow the value behind ";"). opentelemetry-api 1.45.2 (W3CBaggagePropagator: unquote_plus, quote_plus),
#   go.opentelemetry.io/otel 1.47.0, @opentelemetry/core 2.12.1.
# Usual guess: one project's propagators read one header alike; a value that has no "%" is what it is.
set -euo pipefail
T=$(mktemp -d)
. "$(dirname "$0")/lib/packages.sh"
from_pypi opentelemetry-api==1.45.2
from_npm @opentelemetry/core@2.12.1 @opentelemetry/api@1.9.1
from_go go.opentelemetry.io/otel@v1.47.0

cat >"$T/read.py" <<'P'
import sys
from opentelemetry import baggage
from opentelemetry.baggage.propagation import W3CBaggagePropagator
context, out = W3CBaggagePropagator().extract({"baggage": sys.argv[1]}), {}
W3CBaggagePropagator().inject(out, context)
print("python", " | ".join(f"{k} = {v}" for k, v in baggage.get_all(context).items()), "->", out["baggage"])
P
cat >"$T/read.mjs" <<'J'
import { W3CBaggagePropagator } from "@opentelemetry/core";
import { ROOT_CONTEXT, propagation, defaultTextMapGetter, defaultTextMapSetter } from "@opentelemetry/api";
const p = new W3CBaggagePropagator(), out = {}, context = p.extract(ROOT_CONTEXT, { baggage: process.argv[2] }, defaultTextMapGetter);
p.inject(context, out, defaultTextMapSetter);
console.log("js", propagation.getBaggage(context).getAllEntries().map(([k, e]) => `${k} = ${e.value}`).join(" | "), "->", out.baggage);
J
mkdir -p "$T/go/read"
cat >"$T/go/read/main.go" <<'G'
package main

import (
	"context"
	"fmt"
	"os"
	"sort"
	"strings"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
)

func main() {
	c := propagation.Baggage{}.Extract(context.Background(), propagation.MapCarrier{"baggage": os.Args[1]})
	var read, sent []string
	for _, m := range baggage.FromContext(c).Members() {
		read = append(read, m.Key()+" = "+m.Value())
		sent = append(sent, m.String())
	}
	sort.Strings(read)
	sort.Strings(sent)
	fmt.Println("go", strings.Join(read, " | "), "->", strings.Join(sent, ","))
}
G
go_build read
h='call=+4930,plan=a;ttl=1,when=10:00:00+02:00'
{
  "$T/py/bin/python" "$T/read.py" "$h"
  node "$T/read.mjs" "$h"
  "$T/go/read.bin" "$h"
} >"$T/got"
holds "$T/got" <<'X' || exit 1
python call = 4930 | plan = a;ttl=1 | when = 10:00:00 02:00 -> call=4930,plan=a%3Bttl%3D1,when=10%3A00%3A00+02%3A00
js call = +4930 | plan = a | when = 10:00:00+02:00 -> call=%2B4930,plan=a;ttl=1,when=10%3A00%3A00%2B02%3A00
go call = +4930 | plan = a | when = 10:00:00+02:00 -> call=+4930,plan=a;ttl=1,when=10:00:00+02:00
X
