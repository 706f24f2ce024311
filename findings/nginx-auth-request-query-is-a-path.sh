#!/usr/bin/env bash
# Surprise: in nginx `auth_request /ask?kind=a` has no query. The text is the path of the sub-request as it stands, question mark included:
#   `location = /ask` is not found, $args is empty, and a location that takes it has to have the question mark in its own name. `error_page 404 /ask?kind=a` and `try_files /none /ask?kind=a` of the same server split it as one expects.
# Source: nginx 1.22.1, src/http/modules/ngx_http_auth_request_module.c (the argument goes to ngx_http_subrequest as the URI, with no arguments),
#   beside src/http/ngx_http_core_module.c (ngx_http_split_args for error_page and try_files). The manual says "uri" of all three.
# Usual guess: an URI with a query is an URI with a query.
set -euo pipefail
T=$(mktemp -d)
. "$(dirname "$0")/lib/packages.sh"
. "$(dirname "$0")/lib/nginx.sh"
serve_nginx <<'N'
    location = /ask { return 200 "asked with $args\n"; }
    location = "/ask?kind=a" { return 403; }
    location = /guarded { auth_request /ask?kind=a; auth_request_set $said "args=$args"; error_page 403 = @refused; try_files /none =204; }
    location @refused { return 200 "refused by the location whose name has a question mark, $said\n"; }
    location = /missing { error_page 404 = /ask?kind=a; return 404; }
    location = /tried { try_files /none /ask?kind=a; }
N
python3 - "$PORT" >"$T/got" <<'P'
import sys, urllib.request
for what, path in (("auth_request", "guarded"), ("error_page", "missing"), ("try_files", "tried")):
    print(f"{what}:", urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/{path}").read().decode().strip())
P
holds "$T/got" <<'X' || exit 1
auth_request: refused by the location whose name has a question mark, args=
error_page: asked with kind=a
try_files: asked with kind=a
X
