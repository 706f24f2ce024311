#!/usr/bin/env bash
# bench/balance/run.sh [SCENARIO…]: how well policies balance, in bench/results. bench/README.md says how to read it.
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=${QUALITY_BIN:-build/bench/bench/balance_quality}
[ -x "$bin" ] || { echo "$bin is not there: make balance" >&2; exit 1; }
mkdir -p bench/results
out=${OUT:-bench/results/$(date -u +%F)-balance.md}
{
  echo "# How well policies balance, $(date -u +%F)"
  echo
  echo "Commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown), $(nproc) cores, $(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo), Linux $(uname -r); a simulation, which does not depend on them. Medians of 5 rounds (burst: 21)."
  echo "Busiest pod: the most requests in flight that a pod had on average over the time, by the mean of all pods."
  "$bin" "$@"
} >"$out.part"
mv "$out.part" "$out"
echo "kept in $out" >&2
