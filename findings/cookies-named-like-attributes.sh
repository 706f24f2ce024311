#!/usr/bin/env bash
# Surprise: a Cookie field whose first cookie is called path, version, comment, domain or the like gives a Bottle application
#   no cookie at all, the session's neither; such a cookie in a later place is lost alone. A pod thus loses a login
#   because of the name of somebody else's cookie.
# Source: RFC 6265 section 4.2.1: the Cookie field is a list of pairs and has no attributes (those are Set-Cookie's), and any
#   token is a name. Python's http.cookies, SimpleCookie.load(), reads both fields by one grammar, takes these names for
#   attributes of the cookie before, and where there is none gives up the field. Bottle 0.13.4 reads requests with it;
#   Werkzeug 3.1.9 and aiohttp 3.14.5 have readers of their own.
# Usual guess: SimpleCookie reads what a browser may send, and a name is a name.
set -euo pipefail
T=$(mktemp -d)
. "$(dirname "$0")/lib/packages.sh"
from_pypi bottle==0.13.4 werkzeug==3.1.9 aiohttp==3.14.5

cat >"$T/readers.py" <<'P'
from http.cookies import SimpleCookie
from aiohttp.test_utils import make_mocked_request
from bottle import BaseRequest
from werkzeug.http import parse_cookie
for field in ("path=left; session=1", "session=1; version=2; lang=en"):
    print(field)
    print("  SimpleCookie", {k: v.value for k, v in SimpleCookie(field).items()})
    print("  bottle", dict(BaseRequest({"HTTP_COOKIE": field}).cookies))
    print("  werkzeug", dict(parse_cookie(field)))
    print("  aiohttp", dict(make_mocked_request("GET", "/", headers={"Cookie": field}).cookies))
P
"$T/py/bin/python" "$T/readers.py" >"$T/got"
holds "$T/got" <<'X' || exit 1
path=left; session=1
  SimpleCookie {}
  bottle {}
  werkzeug {'path': 'left', 'session': '1'}
  aiohttp {'path': 'left', 'session': '1'}
session=1; version=2; lang=en
  SimpleCookie {'session': '1', 'lang': 'en'}
  bottle {'session': '1', 'lang': 'en'}
  werkzeug {'session': '1', 'version': '2', 'lang': 'en'}
  aiohttp {'session': '1', 'version': '2', 'lang': 'en'}
X
