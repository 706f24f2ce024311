#!/usr/bin/env bash
# tools/fuzz.sh BUILD_DIR SECONDS [TARGET…]: runs each fuzz target for so long, as many beside each other as there are
# cores; new inputs go to tests/fuzz/corpus/TARGET, findings to BUILD_DIR/findings and end the run with an error.
set -euo pipefail
cd "$(dirname "$0")/.."
build=$1 seconds=$2; shift 2
mkdir -p "$build/findings"
targets=()
for t in "$build"/tests/fuzz/fuzz_*; do
  [ -f "$t" ] && [ -x "$t" ] || continue
  [ $# -eq 0 ] || [[ " $* " == *" $(basename "$t") "* ]] || continue
  targets+=("$t")
done
[ ${#targets[@]} -gt 0 ] || { echo "no fuzz targets in $build/tests/fuzz" >&2; exit 1; }
one() {
  local name; name=$(basename "$1")
  local log=$2/findings/$name.log corpus=tests/fuzz/corpus/$name
  mkdir -p "$corpus"
  if "$1" -max_total_time="$3" -timeout=10 -rss_limit_mb=2048 -artifact_prefix="$2/findings/$name-" -print_final_stats=1 "$corpus" >"$log" 2>&1; then
    echo "$name: no finding in $3 s, $(awk '/number_of_executed_units/ { print $2 }' "$log") inputs, corpus $(find "$corpus" -type f | wc -l)"
  else
    echo "$name: FINDING, see $log"; tail -n 40 "$log"; return 1
  fi
}
export -f one
printf '%s\n' "${targets[@]}" | xargs -P "$(nproc)" -I{} bash -c 'one "$@"' _ {} "$build" "$seconds"
