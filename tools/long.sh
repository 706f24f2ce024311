#!/usr/bin/env bash
# tools/long.sh soak|chaos: the long tests, with the optimised binaries and the tools of the dev build.
set -euo pipefail
cd "$(dirname "$0")/.."
script=tests/chaos/$1.sh
[ -x "$script" ] || { echo "$script is not there" >&2; exit 1; }
export SLUICE=$PWD/build/release/sluice SLUICE_ECHO=$PWD/build/release/sluice-echo TOOLS=$PWD/build/dev/tests/support
exec "$script" build/release
