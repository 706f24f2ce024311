#!/usr/bin/env bash
# SLUICE=path/to/sluice tests/oracle/run.sh [group|case…]   (root: it makes a network namespace; python3-yaml, python3-h2)
# Starts sluice over a directory of its own, replays the recorded cases, compares the answers and what the pods received.
# Without names: the cases of selection.txt, where every difference must be named with its reason in differences.txt.
# With names: the plain comparison. SETTLE: seconds to wait after each change of manifests (0.5); SLUICE_ARGS: more
# arguments; KEEP=1 keeps the folder.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
: "${SLUICE:?set SLUICE to the binary}"
SLUICE=$(realpath "$SLUICE")
python=${PYTHON:-/usr/bin/python3}
ns=oracle-$$ dir=$(mktemp -d) pid=
finish() {
  [ -z "$pid" ] || { kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; }
  ip netns del "$ns" 2>/dev/null || true
  rm -rf "/etc/netns/$ns"
  if [ -n "${KEEP:-}" ]; then echo "kept: $dir"; else rm -rf "$dir"; fi
}
trap finish EXIT
ip netns add "$ns"
mkdir -p "/etc/netns/$ns" "$dir/manifests"
echo 'nameserver 127.0.0.53' >"/etc/netns/$ns/resolv.conf"
ip -n "$ns" link set lo up
ip -n "$ns" route add local 10.200.0.0/16 dev lo
ip -n "$ns" route add local 10.96.0.0/16 dev lo

if [ $# -gt 0 ]; then names=("$@"); else mapfile -t names < <(sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$here/selection.txt"); fi
# compat=exact: hazards of ingress-nginx too are as recorded (docs/compat.md; test_compat.py asks without it).
# One worker: whether a connection to a pod is kept, and may be replaced once more when it fails, must not depend on
# which worker the kernel gives the next client to.
# shellcheck disable=SC2086
ip netns exec "$ns" "$SLUICE" serve --workers 1 --set compat=exact --manifests "$dir/manifests" --http 0.0.0.0:80 --http 0.0.0.0:9080 --https 0.0.0.0:443 --https 0.0.0.0:9443 --enable-ssl-passthrough ${SLUICE_ARGS:-} >"$dir/log" 2>&1 &
pid=$!
ip netns exec "$ns" "$python" "$here/replay.py" replay --cases "$here/cases" --out "$dir/out" --apply-dir "$dir/manifests" --settle "${SETTLE:-0.5}" "${names[@]}" >"$dir/replay.log" ||
  { cat "$dir/replay.log"; exit 1; }
grep '^FAILED' "$dir/replay.log" && exit 1
kill -0 "$pid" || { echo "sluice ended:"; tail -n 20 "$dir/log"; exit 1; }
if [ $# -gt 0 ]; then
  "$python" "$here/compare.py" "$here/golden" "$dir/out"
else
  "$python" "$here/check.py" "$here/golden" "$dir/out" "$here/differences.txt" "${names[@]}"
fi
