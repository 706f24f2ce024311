#!/bin/sh
# tests/k8s/run.sh BUILD_DIR [pytest arguments]: the binary of BUILD_DIR against a real API server (root: it makes a network
# namespace). tests/k8s/build.sh makes the server.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=${1:?usage: run.sh BUILD_DIR [pytest arguments]}
shift
case $build in /*) ;; *) build=$PWD/$build ;; esac
export SLUICE="${SLUICE:-$build/sluice}" SLUICE_ECHO="${SLUICE_ECHO:-$build/sluice-echo}" TOOLS="${TOOLS:-$build/tests/support}"
# Some times are promised of optimised binaries; others are held to three times as much, and are not asked about large clusters
# (-m at_scale does it all the same).
grep -q 'CMAKE_BUILD_TYPE:STRING=Release' "$build/CMakeCache.txt" || { export BAR="${BAR:-3}"; set -- -m 'not at_scale' "$@"; }
cd "$here"
# Most tests wait for something: three files at a time, but those that measure time (alone.py). -n 0 for one after the other, with what they print (-s).
exec "${PYTHON:-/usr/bin/python3}" -m pytest -p no:cacheprovider -q -n "${K8S_AT_ONCE:-3}" --dist loadfile "$@"
