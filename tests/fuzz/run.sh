#!/usr/bin/env bash
# Builds the fuzz targets and runs each for a time. Exit code 1 when one found something.
#
#   tests/fuzz/run.sh [SECONDS] [TARGET…]     default: 60 seconds, every target
#   KEEP=1 tests/fuzz/run.sh …                afterwards, adds what was learnt to tests/fuzz/corpora, minimised
#
# Findings are kept in build/fuzz/findings/<target>; run build/fuzz/tests/fuzz/fuzz_<target> FILE to repeat one.
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=${1:-60}
shift || true
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
  targets=(h1_request h1_response chunked path host client_address manifests)
fi

cmake --preset fuzz >/dev/null
cmake --build build/fuzz --target "${targets[@]/#/fuzz_}"

declare -A longest=([h1_request]=1100 [h1_response]=1100 [chunked]=2048 [path]=256 [host]=300 [client_address]=512 [manifests]=4096)
failed=()
for target in "${targets[@]}"; do
  binary=build/fuzz/tests/fuzz/fuzz_$target
  seeds=tests/fuzz/corpora/$target
  learnt=build/fuzz/corpora/$target
  findings=build/fuzz/findings/$target
  mkdir -p "$seeds" "$learnt" "$findings"
  dictionary=tests/fuzz/http.dict
  [ "$target" = manifests ] && dictionary=tests/fuzz/manifests.dict

  echo "fuzz: $target for $seconds s"
  if ! "$binary" -max_total_time="$seconds" -max_len="${longest[$target]:-4096}" -timeout=10 -rss_limit_mb=2048 \
      -dict="$dictionary" -artifact_prefix="$findings/" -print_final_stats=1 -verbosity=0 "$learnt" "$seeds" \
      >"$findings/log" 2>&1; then
    failed+=("$target")
    tail -n 60 "$findings/log"
    continue
  fi
  grep -E 'number_of_executed_units|average_exec_per_sec|new_units_added' "$findings/log" | sed 's/^stat::/  /'
  if [ "${KEEP:-0}" = 1 ]; then
    minimal=build/fuzz/minimal/$target
    rm -rf "$minimal"
    mkdir -p "$minimal"
    "$binary" -merge=1 -max_len="${longest[$target]:-4096}" -timeout=10 -verbosity=0 "$minimal" "$seeds" "$learnt" >/dev/null 2>&1
    rm -rf "$seeds"
    mv "$minimal" "$seeds"
    echo "  kept $(find "$seeds" -type f | wc -l) inputs"
  fi
done

if [ ${#failed[@]} -gt 0 ]; then
  echo "fuzz: findings in ${failed[*]}: see build/fuzz/findings" >&2
  exit 1
fi
echo "fuzz: no findings"
