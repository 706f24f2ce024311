#!/bin/sh
# tests/chaos/tenants.sh [--short]: two tenants through one worker with the smallest socket buffers, partial writes, random cancellation.
# The long form makes 1,000,000 exchanges; run it with the sanitized build: SLUICE=build/asan/sluice TOOLS=build/release/tests/support.
exec "${PYTHON:-/usr/bin/python3}" "$(dirname "$0")/tenants.py" "$@"
