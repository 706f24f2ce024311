#!/usr/bin/env bash
# tools/tidy.sh BUILD_DIR BASE: clang-tidy over the sources that differ from BASE, by .clang-tidy.
set -euo pipefail
cd "$(dirname "$0")/.."
mapfile -t changed < <(git diff --name-only --diff-filter=d "$2" -- 'src/*.cpp'; git ls-files -o --exclude-standard 'src/*.cpp')
[ ${#changed[@]} -gt 0 ] || { echo "no source differs from $2"; exit 0; }
printf '%s\n' "${changed[@]}" | xargs -P "$(nproc)" -n 1 clang-tidy-19 -p "$1" --quiet --extra-arg=-Wno-ignored-gch --extra-arg=-Wno-unknown-warning-option
