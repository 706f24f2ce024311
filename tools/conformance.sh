#!/usr/bin/env bash
# tools/conformance.sh: installs into build/tools what tests/conformance runs and Debian 12 does not have, by name from the Go
# module proxy and PyPI. What cannot be installed is said, and its tests are skipped and say so.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p build/tools/bin

# go_tool NAME MODULE@VERSION: one program, under a name of ours.
go_tool() {
  [ -x "build/tools/bin/$1" ] && [ "$(cat "build/tools/bin/.$1" 2>/dev/null)" = "$2" ] && return
  echo "installing $1: $2"
  local where
  where=$(mktemp -d)
  if GOBIN=$where GOFLAGS=-mod=mod nice -n 5 go install "$2"; then
    mv "$where"/* "build/tools/bin/$1" && echo "$2" >"build/tools/bin/.$1"
  else
    echo "that did not work: the tests that need $1 will be skipped" >&2
  fi
  rm -rf "$where"
}
go_tool h2spec github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible
go_tool grpc-interop-client google.golang.org/grpc/interop/client@v1.85.0
go_tool grpc-interop-server google.golang.org/grpc/interop/server@v1.85.0
go_tool grpc-health-probe github.com/grpc-ecosystem/grpc-health-probe@v0.4.61

# Autobahn's WebSocket cases are Python 2.
autobahn=build/tools/autobahn
if [ ! -e $autobahn/.0.8.2 ]; then
  python2=
  for candidate in python2.7 "$HOME"/.pyenv/versions/2.7.*/bin/python2.7; do
    if "$candidate" -c 'import pip' 2>/dev/null; then python2=$candidate; fi
  done
  if [ -n "$python2" ] && "$python2" -m pip install -q --disable-pip-version-check --target $autobahn autobahntestsuite==0.8.2 2>build/tools/autobahn.log; then
    touch $autobahn/zope/__init__.py $autobahn/.0.8.2
    printf '#!/bin/sh\nPYTHONPATH=%s exec %s -c "from autobahntestsuite.wstest import run; run()" "$@"\n' "$PWD/$autobahn" "$python2" >build/tools/bin/wstest
    chmod +x build/tools/bin/wstest
  else
    echo "Autobahn's testsuite needs CPython 2.7 with pip: its cases will be skipped (build/tools/autobahn.log)" >&2
  fi
fi

# Clients that post what is refused (tests/conformance/clients). newer SOURCE INSTALLED: the first has changed since.
clients=tests/conformance/clients
newer() { [ ! -e "$2" ] || [ "$1" -nt "$2" ]; }
failed() { echo "that did not work: the tests of $1 will be skipped" >&2; }
if newer $clients/requirements.txt build/tools/clients-py/.made; then
  echo "installing clients of Python"
  { python3 -m venv build/tools/clients-py && build/tools/clients-py/bin/pip install -q --disable-pip-version-check -r $clients/requirements.txt &&
    touch build/tools/clients-py/.made; } || failed "Python's clients"
fi
if newer $clients/package.json build/tools/clients-node/.made; then
  echo "installing clients of Node"
  { mkdir -p build/tools/clients-node && cp $clients/package.json build/tools/clients-node/ && npm install --silent --prefix build/tools/clients-node &&
    touch build/tools/clients-node/.made; } || failed "Node's clients"
fi
if newer $clients/pom.xml build/tools/clients-java/.made || newer $clients/Early.java build/tools/clients-java/.made || newer $clients/Digest.java build/tools/clients-java/.made; then
  echo "installing clients of Java"
  { mvn -q -B -f $clients/pom.xml dependency:copy-dependencies -DoutputDirectory="$PWD/build/tools/clients-java/jars" >/dev/null &&
    javac -cp "build/tools/clients-java/jars/*" -d build/tools/clients-java/classes $clients/Early.java $clients/Digest.java && touch build/tools/clients-java/.made; } ||
    failed "Java's clients"
fi
if newer $clients/early.go build/tools/bin/early-go; then
  echo "building early-go"
  nice -n 5 go build -o build/tools/bin/early-go $clients/early.go || failed "Go's client"
fi

# Our own Go client and server of gRPC, with the gRPC project's package.
if [ tests/conformance/grpcgo/main.go -nt build/tools/bin/grpcgo ]; then
  echo "building grpcgo"
  (cd tests/conformance/grpcgo && GOFLAGS=-mod=mod nice -n 5 go build -o ../../../build/tools/bin/grpcgo .) ||
    echo "that did not work: the tests that need grpcgo will be skipped" >&2
fi
