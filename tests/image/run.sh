#!/bin/sh
# tests/image/run.sh [pytest arguments]: builds the container image twice with buildah and runs what is in it (root).
set -eu
cd "$(dirname "$0")"
exec "${PYTHON:-/usr/bin/python3}" -m pytest -p no:cacheprovider -q -rP "$@"
