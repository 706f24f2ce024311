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
end() {
  [ -z "$pid" ] || { kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; }
  pid=
}
finish() {
  end
  ip netns del "$ns" 2>/dev/null || true
  rm -rf "/etc/netns/$ns"
  if [ -n "${KEEP:-}" ]; then echo "kept: $dir"; else rm -rf "$dir"; fi
}
trap finish EXIT
ip netns add "$ns"
mkdir -p "/etc/netns/$ns"
echo 'nameserver 127.0.0.53' >"/etc/netns/$ns/resolv.conf"
ip -n "$ns" link set lo up
ip -n "$ns" route add local 10.200.0.0/16 dev lo
ip -n "$ns" route add local 10.96.0.0/16 dev lo

# replay FLAGS NAME…: by a process of its own.
# compat=exact: hazards of ingress-nginx too are as recorded (docs/compat.md; test_compat.py asks without it).
# One worker: whether a connection to a pod is kept, and may be replaced once more when it fails, must not depend on
# which worker the kernel gives the next client to.
replay() {
  local flags=$1
  shift
  rm -rf "$dir/manifests"
  mkdir "$dir/manifests"
  # shellcheck disable=SC2086
  ip netns exec "$ns" "$SLUICE" serve --workers 1 --set compat=exact --manifests "$dir/manifests" $flags ${SLUICE_ARGS:-} >"$dir/log" 2>&1 &
  pid=$!
  ip netns exec "$ns" "$python" "$here/replay.py" replay --cases "$here/cases" --out "$dir/out" --apply-dir "$dir/manifests" --settle "${SETTLE:-0.5}" "$@" >"$dir/replay.log" ||
    { cat "$dir/replay.log"; exit 1; }
  grep '^FAILED' "$dir/replay.log" && exit 1
  kill -0 "$pid" || { echo "sluice ended:"; tail -n 20 "$dir/log"; exit 1; }
  end
}

if [ $# -gt 0 ]; then names=("$@"); else mapfile -t names < <(sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$here/selection.txt"); fi
# A line for each set of flags, and the cases that were recorded with it. Two flags may be there in every case: ports
# beside the usual ones, and a switch without an effect on hosts that do not ask for it.
"$python" - "$here/golden" "${names[@]}" >"$dir/runs" <<'EOF'
import glob, json, sys
runs = {}
for path in sorted(glob.glob(sys.argv[1] + "/*.json")):
    g = json.load(open(path))
    if g["name"] in sys.argv[2:] or g["group"] in sys.argv[2:]:
        own = [f for f in g.get("flags") or [] if not f.startswith(("--http-port", "--https-port", "--enable-ssl-passthrough"))]
        runs.setdefault(" ".join(own), []).append(g["name"])
for flags, names in sorted(runs.items()):
    print("--http 0.0.0.0:80 --http 0.0.0.0:9080 --https 0.0.0.0:443 --https 0.0.0.0:9443 --enable-ssl-passthrough", flags, "\t", *names)
EOF
while IFS=$'\t' read -r flags cases; do
  # shellcheck disable=SC2086
  replay "$flags" $cases </dev/null
done <"$dir/runs"
if [ $# -gt 0 ]; then
  "$python" "$here/compare.py" "$here/golden" "$dir/out"
else
  "$python" "$here/check.py" "$here/golden" "$dir/out" "$here/differences.txt" "${names[@]}"
fi
