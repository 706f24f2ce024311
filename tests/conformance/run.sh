#!/bin/sh
# tests/conformance/run.sh BUILD_DIR [pytest arguments]: other projects' suites against the binary of BUILD_DIR.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=${1:?usage: run.sh BUILD_DIR [pytest arguments]}
shift
case $build in /*) ;; *) build=$PWD/$build ;; esac
export SLUICE="${SLUICE:-$build/sluice}" SLUICE_ECHO="${SLUICE_ECHO:-$build/sluice-echo}" TOOLS="${TOOLS:-$build/tests/support}"
[ -x "$TOOLS/strict-pod" ] || export TOOLS="$here/../../build/dev/tests/support"
cd "$here"
# The pods, the proxy and the fixture `site` are those of the integration tests.
PYTHONPATH="$here/../integration" exec "${PYTHON:-/usr/bin/python3}" -m pytest -p conftest -p no:cacheprovider -q "$@"
