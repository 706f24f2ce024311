#!/usr/bin/env bash
# Surprise: in nginx a regular expression that does not match empties $1 to $9, and leaves the variables of named groups as they were. Of one
#   condition that matched and one behind it that did not, $1 is gone and $name is there; and once it matches again, a named group that takes no
#   part is emptied. So the same rule written with a name and written with a number does not do the same behind a second condition.
# Source: nginx 1.22.1, src/http/ngx_http_variables.c (ngx_http_regex_exec: captures are of the last execution; named ones are copied into
#   variables only where it matched) and src/http/ngx_http_script.c. The manual of ngx_http_rewrite_module names both without a difference.
# Usual guess: a name is another way to write the number.
set -euo pipefail
T=$(mktemp -d)
. "$(dirname "$0")/lib/packages.sh"
. "$(dirname "$0")/lib/nginx.sh"
serve_nginx <<'N'
    location / {
      if ($arg_a ~ ^(?<name>x)(?<rest>y)?) { set $seen a; }
      if ($arg_b ~ ^(never)) { set $seen b; }
      if ($arg_c ~ ^(?<name>x)(?<rest>y)?) { set $seen c; }
      return 200 "name=$name rest=$rest number=$1\n";
    }
N
python3 - "$PORT" >"$T/got" <<'P'
import sys, urllib.request
for what, query in (("one that matches", "c=xy"), ("a match, then a failed test", "a=xy&b=no"), ("the same, then a match without the second group", "a=xy&b=no&c=x")):
    print(f"{what}:", urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/?{query}").read().decode().strip())
P
holds "$T/got" <<'X' || exit 1
one that matches: name=x rest=y number=x
a match, then a failed test: name=x rest=y number=
the same, then a match without the second group: name=x rest= number=x
X
