#!/usr/bin/env bash
# Surprise: a comment of an event stream, the usual sign of life (": keep-alive"), is an event without data for httpx-sse and for the readers in
#   the clients of openai and anthropic, as soon as an event before it had an id; so is a block of nothing but an id, or an event's name. Before the
#   first id the same comments are nothing. openai's own stream then reads JSON out of the empty text and ends with an error in the middle of the
#   answers, where the server did nothing but stay in touch. sseclient-py and eventsource-parser pass over all of it.
# Source: HTML Standard, section 9.2.6 (interpreting an event stream): a line that begins with a colon is ignored, and at an empty line nothing is
#   dispatched if the data buffer is empty; the last event ID stays set from event to event. httpx-sse 0.4.3 (SSEDecoder.decode asks whether there
#   was ever an id), openai 3.57.0, anthropic 2.14.0; sseclient-py 1.9.0, eventsource-parser 3.1.1.
# Usual guess: a comment is no event, and what it means does not depend on what came before.
set -euo pipefail
T=$(mktemp -d)
. "$(dirname "$0")/lib/packages.sh"
from_pypi httpx==0.28.1 httpx-sse==0.4.3 openai==3.57.0 anthropic==2.14.0 sseclient-py==1.9.0
from_npm eventsource-parser@3.1.1

cat >"$T/stream" <<'S'
: keep-alive

id: 1
data: {"n": 1}

: keep-alive

data: {"n": 2}

id: 3

S
cat >"$T/readers.py" <<'P'
import sys
import anthropic, httpx, httpx_sse, openai, sseclient
import anthropic._streaming, openai._streaming
TEXT = open(sys.argv[1], "rb").read()
pod = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, headers={"content-type": "text/event-stream"}, content=TEXT)))
def show(what, events): print(what, *[e.data or "(nothing)" for e in events])
with httpx_sse.connect_sse(pod, "GET", "http://pod/") as s: show("httpx-sse:", s.iter_sse())
show("openai's reader:", openai._streaming.SSEDecoder().iter_bytes(iter([TEXT])))
show("anthropic's reader:", anthropic._streaming.SSEDecoder().iter_bytes(iter([TEXT])))
show("sseclient-py:", sseclient.SSEClient([TEXT]).events())
answers = openai.OpenAI(api_key="-", base_url="http://pod/", http_client=pod).chat.completions.create(model="-", messages=[], stream=True)
print("openai's client:", end="")
try:
    for a in answers: print("", a.n, end="")
    print(" end")
except Exception as e: print("", type(e).__name__, e)
P
cat >"$T/reader.mjs" <<'J'
import { readFileSync } from "node:fs";
import { createParser } from "eventsource-parser";
const events = [];
createParser({ onEvent: (e) => events.push(e.data || "(nothing)") }).feed(readFileSync(process.argv[2], "utf8"));
console.log("eventsource-parser:", ...events);
J
{ "$T/py/bin/python" "$T/readers.py" "$T/stream"; node "$T/reader.mjs" "$T/stream"; } >"$T/got"
holds "$T/got" <<'X' || exit 1
httpx-sse: {"n": 1} (nothing) {"n": 2} (nothing)
openai's reader: {"n": 1} (nothing) {"n": 2} (nothing)
anthropic's reader: {"n": 1} (nothing) {"n": 2} (nothing)
sseclient-py: {"n": 1} {"n": 2}
openai's client: 1 JSONDecodeError Expecting value: line 1 column 1 (char 0)
eventsource-parser: {"n": 1} {"n": 2}
X
