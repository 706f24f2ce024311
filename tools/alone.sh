#!/usr/bin/env bash
# tools/alone.sh headers|sources [FILE…]: each (all of them without FILEs) compiles alone, syntax only. Builds that put
# eight files together hide what one of them forgets to include; `make build`, which compiles each by itself, does not. Benchmarks are compiled by
# nothing else that runs at every change.
set -euo pipefail
cd "$(dirname "$0")/.."
kind=$1
shift
case $kind in
  headers) patterns=('include/*.h' 'src/*.h') ;;
  sources) patterns=('src/*.cpp' 'bench/micro/*.cpp' 'bench/macro/*.cpp') ;;
  *) echo "headers or sources, not $kind" >&2; exit 2 ;;
esac
all=("$@")
[ $# -gt 0 ] || mapfile -t all < <(git ls-files -co --exclude-standard "${patterns[@]}")
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
export FLAGS="-std=c++23 -Wall -Wextra -Wpedantic -Isrc -Iinclude -Itests/unit/data -DSPDLOG_COMPILED_LIB -DSPDLOG_FMT_EXTERNAL -DSLUICE_VERSION=\"\" -DSLUICE_COMMIT=\"\"" temporary
# Sources see what cmake/Modules.cmake precompiles for them, and compile in half the time.
if [ "$kind" = sources ]; then
  sed -n 's/^set(SLUICE_PRECOMPILED \(.*\))$/\1/p' cmake/Modules.cmake | tr ' ' '\n' | sed 's/^/#include /' >"$temporary/all.h"
  [ -s "$temporary/all.h" ]
  # shellcheck disable=SC2086
  g++ $FLAGS -x c++-header "$temporary/all.h" -o "$temporary/all.h.gch"
  FLAGS+=" -include $temporary/all.h"
fi
one() {
  local said=$temporary/$$
  case $1 in
    *.h) set -- "$1" -x c++ -include "$1" /dev/null ;;
    *) set -- "$1" "$1" ;;
  esac
  # shellcheck disable=SC2086
  g++ $FLAGS -fsyntax-only "${@:2}" 2>"$said" || { echo "$1 does not compile alone:"; head -n 15 "$said"; return 1; }
}
export -f one
printf '%s\n' "${all[@]}" | xargs -P "$(nproc)" -I{} bash -c 'one "$1"' _ {}
echo "${#all[@]} $kind compile alone"
