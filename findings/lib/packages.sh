# Sourced by each finding, which has made the folder $T: packages of exact versions in it, the end of it and of what was
# started, and the comparison with what the finding says.
trap 'jobs -p | xargs -r kill 2>/dev/null || :; rm -rf "$T"' EXIT
export GOMODCACHE=$T/gomod GOFLAGS="-modcacherw -mod=mod"

from_pypi() { # NAME==VERSION...
  python3 -m venv "$T/py"
  "$T/py/bin/pip" install -q --disable-pip-version-check "$@"
  python3 --version
  echo "$@"
}

from_npm() { # NAME@VERSION...
  npm install --prefix "$T" --loglevel=error --no-audit --no-fund "$@" >"$T/npm.log"
  echo "node $(node --version)" "$@"
}

from_go() { # MODULE@VERSION..., for the programs below $T/go
  mkdir -p "$T/go"
  (cd "$T/go" && go mod init finding && for m in "$@"; do go mod edit -require "$m"; done) 2>"$T/go.log" || { cat "$T/go.log"; exit 1; }
  go version
  [ $# = 0 ] || echo "$@"
}

go_build() { # FOLDER below $T/go
  (cd "$T/go" && go mod tidy && go build -o "$T/go/$1.bin" "./$1") >"$T/go.log" 2>&1 || { cat "$T/go.log"; exit 1; }
}

# The folders' servers write the port that the kernel chose into a file as soon as they listen.
port_in() { # FILE
  for _ in $(seq 300); do [ -s "$1" ] && { cat "$1"; return; }; sleep 0.1; done
  echo "no server wrote $1" >&2
  return 1
}

holds() { # FILE with what came; what the finding says comes on standard input
  cat "$1"
  diff -u --label "the finding" --label "now" - "$1" || { echo "The behaviour has changed."; return 1; }
  echo "It is as the finding says."
}
