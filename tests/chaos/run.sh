#!/bin/sh
# tests/chaos/run.sh BUILD_DIR [--short] [--record] [NAME…]: runs the chaos scripts, all of them unless named, and says which held.
set -u
here=$(cd "$(dirname "$0")" && pwd)
build=${1:?usage: run.sh BUILD_DIR [--short] [--record] [NAME...]}
shift
case $build in /*) ;; *) build=$PWD/$build ;; esac
export SLUICE="${SLUICE:-$build/sluice}" SLUICE_ECHO="${SLUICE_ECHO:-$build/sluice-echo}" TOOLS="${TOOLS:-$build/tests/support}"
flags= names=
for a in "$@"; do
  case $a in --*) flags="$flags $a" ;; *) names="$names $a" ;; esac
done
[ -n "$names" ] || names="changes mixed sigterm certswap broken slow fds pods faults overload logs large mutate h2_floods tenants cost peers_reload peers_pods peers_balance memory"
bad=
for n in $names; do
  # shellcheck disable=SC2086
  "${PYTHON:-/usr/bin/python3}" "$here/$n.py" $flags || bad="$bad $n"
done
[ -z "$bad" ] || { echo "chaos: did not hold:$bad" >&2; exit 1; }
echo "chaos: all held:$names" >&2
