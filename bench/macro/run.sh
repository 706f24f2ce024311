#!/usr/bin/env bash
# bench/macro/run.sh SCENARIO[,SCENARIO…]|all|idle [peers.py arguments]: Sluice beside its peers, the result in bench/results.
# bench/README.md says how to read it.
set -euo pipefail
cd "$(dirname "$0")/../.."
scenarios=${1:-h1-1k}; shift || true
bin=${SLUICE_BIN:-build/release/sluice}
[ -x "$bin" ] || { echo "$bin is not there: make build" >&2; exit 1; }
export SLUICE_BIN=$bin
mkdir -p bench/results
out=${OUT:-bench/results/$(date -u +%F)-${scenarios//,/-}.md}
{
  echo "# $scenarios, $(date -u +%F)"
  echo
  echo "Commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown), $(nproc) cores, $(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo), Linux $(uname -r)."
  echo "Differs from the shipped defaults: --workers 1 --access-log off keep-alive-requests=0 (the peers, too, run one worker, log nothing and keep connections without limit)."
  ${PYTHON:-/usr/bin/python3} bench/macro/peers.py "$scenarios" "$@"
} | tee "$out"
case $scenarios in idle*) ;; *) bench/macro/plot.py "$out" >"${out%.md}.svg" ;; esac
echo "kept in $out" >&2
