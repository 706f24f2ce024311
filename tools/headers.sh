#!/usr/bin/env bash
# tools/headers.sh [HEADER…]: each header (all without arguments) compiles alone, syntax only.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || mapfile -t all < <(git ls-files -co --exclude-standard 'include/*.h' 'src/*.h')
[ $# -eq 0 ] || all=("$@")
one() {
  g++ -std=c++23 -fsyntax-only -Wall -Wextra -Wpedantic -Isrc -Iinclude -DSPDLOG_COMPILED_LIB -DSPDLOG_FMT_EXTERNAL -x c++ -include "$1" /dev/null 2>build/headers.$$ ||
    { echo "$1 does not compile alone:"; head -n 15 build/headers.$$; rm -f build/headers.$$; return 1; }
  rm -f build/headers.$$
}
export -f one
mkdir -p build
printf '%s\n' "${all[@]}" | xargs -P "$(nproc)" -I{} bash -c 'one "$1"' _ {}
echo "${#all[@]} headers compile alone"
