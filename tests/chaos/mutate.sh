#!/bin/sh
# tests/chaos/mutate.sh [--short] [SEED]: mutated requests against the proxy, judged by the strict pod behind it.
# The long form sends 1,000,000; run it with the sanitized build: SLUICE=build/asan/sluice TOOLS=build/release/tests/support.
exec "${PYTHON:-/usr/bin/python3}" "$(dirname "$0")/mutate.py" "$@"
