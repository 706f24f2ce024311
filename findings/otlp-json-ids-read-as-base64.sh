#!/usr/bin/env bash
# Surprise: protobuf's own JSON reader takes a valid OTLP/JSON document without an error and makes of its 16 bytes of trace id
#   24 others, of 8 bytes of span id 12. What it writes from a real span is no OTLP/JSON either.
# Source: OpenTelemetry protocol 1.x, "JSON Protobuf Encoding": proto3's mapping, except that trace and span ids are hex, which
#   proto3 has no word for: its bytes are base64, and hex digits are all in base64's alphabet, so nothing can fail.
#   protobuf 7.36.2 (json_format), opentelemetry-proto 1.45.2.
# Usual guess: OTLP/JSON is what protobuf's JSON mapping makes of the .proto files, and a misreading would raise.
set -euo pipefail
T=$(mktemp -d)
. "$(dirname "$0")/lib/packages.sh"
from_pypi protobuf==7.36.2 opentelemetry-proto==1.45.2

cat >"$T/read.py" <<'P'
import json
from google.protobuf import json_format
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
document = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": TRACE, "spanId": SPAN, "name": "GET /", "kind": 2}]}]}]})
span = json_format.Parse(document, TracesData()).resource_spans[0].scope_spans[0].spans[0]
print("read", len(span.trace_id), span.trace_id.hex())
print("read", len(span.span_id), span.span_id.hex())
print("written", json_format.MessageToDict(Span(trace_id=bytes.fromhex(TRACE), span_id=bytes.fromhex(SPAN))))
P
"$T/py/bin/python" "$T/read.py" >"$T/got"
holds "$T/got" <<'X' || exit 1
read 24 d1a7fbeb9d7dd7a71de3775df38e3c79bdb5d5cf34df5f5c
read 12 6fb69de9bef5ebddb4df7df5
written {'traceId': 'CvdlGRbNQ92ESOshHIAxnA==', 'spanId': 't61rcWkgMzE='}
X
