#!/usr/bin/env bash
# bench/macro/run.sh SCENARIO[,SCENARIO…]|all|everything-on|idle [peers.py arguments]: Sluice beside its peers, the result in
# bench/results: the tables (.md), every round of them (.json), and a picture (.svg). bench/README.md says how to read it.
set -euo pipefail
cd "$(dirname "$0")/../.."
scenarios=${1:-h1-1k}; shift || true
bin=${SLUICE_BIN:-build/release/sluice}
[ -x "$bin" ] || { echo "$bin is not there: make build" >&2; exit 1; }
export SLUICE_BIN=$bin
mkdir -p bench/results
out=${OUT:-bench/results/$(date -u +%F)-${scenarios//,/-}.md}
code=0
${PYTHON:-/usr/bin/python3} bench/macro/peers.py "$scenarios" --json "${out%.md}.json" "$@" >"$out.part" || code=$?
cat "$out.part"
mv "$out.part" "$out"
case $scenarios in idle*) ;; *) bench/macro/plot.py "${out%.md}.json" >"${out%.md}.svg" ;; esac
echo "kept in $out" >&2
exit "$code"
