#!/bin/sh
# tests/integration/run.sh BUILD_DIR [pytest arguments, e.g. -k tls]
# Starts the real binary of BUILD_DIR beside real clients and pods. SLUICE, SLUICE_ECHO and TOOLS override what is taken.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=${1:?usage: run.sh BUILD_DIR [pytest arguments]}
shift
case $build in /*) ;; *) build=$PWD/$build ;; esac
export SLUICE="${SLUICE:-$build/sluice}"
export SLUICE_ECHO="${SLUICE_ECHO:-$build/sluice-echo}"
export TOOLS="${TOOLS:-$build/tests/support}"
missing=
for package in $(grep -v '^#' "$here/packages.txt"); do
  dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
done
command -v go >/dev/null 2>&1 && missing=$(printf '%s' "$missing" | sed 's/ golang-go//')
[ -z "$missing" ] || echo "integration tests: packages that are missing (apt-get install):$missing" >&2
for file in "$SLUICE" "$SLUICE_ECHO" "$TOOLS/strict-pod" "$TOOLS/load"; do
  [ -x "$file" ] || { echo "integration tests: $file is not there; build it first" >&2; exit 2; }
done
cd "$here"
# More than half of the time is spent waiting: two files at a time. Who measures time is alone (alone.py).
exec "${PYTHON:-/usr/bin/python3}" -m pytest -p no:cacheprovider -q -n "${INTEGRATION_AT_ONCE:-2}" --dist loadfile "$@"
