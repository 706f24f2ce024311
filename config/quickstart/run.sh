#!/usr/bin/env bash
# config/quickstart/run.sh BUILD_DIR: three demo pods and sluice in front of them, until Ctrl-C.
# The manifests of this folder are copied to build/quickstart/manifests (build/quickstart-2 beside another run, and so
# on), where what depends on this run is added: the pods' addresses and a certificate. Edit the copies while it runs
# and watch the answers change.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
bin=$(cd "${1:-$here/../../build/quick}" && pwd)
root=$(cd "$here/../.." && pwd)
for number in '' -{2..9}; do
  out=$root/build/quickstart$number
  mkdir -p "$out"
  exec 9>"$out/.running"
  ! flock -n 9 || break  # held until this shell ends; its children do not get it
  out=
done
[ -n "$out" ] || { echo "$root/build/quickstart-2 to -9: each is in use by another run; end one of them" >&2; exit 1; }
dir=$out/manifests
rm -rf "$dir" "$out"/*.log && mkdir -p "$dir"  # what a former run said would be read for what this one says
cp "$here"/*.yaml "$dir/"

pids=()
finish() {
  trap - EXIT
  trap '' INT TERM
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
}
trap finish EXIT
trap 'echo; finish; exit 0' INT TERM

# wait_for FILE PATTERN PID: the last word of the line that matches, once it is there.
wait_for() {
  local line
  for _ in $(seq 200); do
    line=$(grep -m1 -E "$2" "$1" 2>/dev/null) && { echo "${line##* }"; return; }
    kill -0 "$3" 2>/dev/null || break
    sleep 0.05
  done
  echo "no '$2' from process $3:" >&2; cat "$1" >&2; return 1
}

# Ctrl-C is for this script, which ends what it started in order: children are in a session of their own.
apart() { exec 9>&-; exec setsid "$@"; }

pod() {  # NAME: starts one, sets `port`
  apart "$bin/sluice-echo" --listen 127.0.0.1:0 --name "$1" --threads 1 >"$out/$1.log" 2>&1 &
  pids+=($!)
  port=$(wait_for "$out/$1.log" '^listening http ' $!)
  port=${port##*:}
}
slice() {  # NAME SERVICE PORT
  cat <<YAML
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: $1, namespace: demo, labels: { kubernetes.io/service-name: $2 } }
addressType: IPv4
ports: [{ name: http, port: $3, protocol: TCP }]
endpoints: [{ addresses: [127.0.0.1], conditions: { ready: true } }]
YAML
}
pod shop-1; slice shop-1 shop "$port" >>"$dir/endpoints.yaml"
pod shop-2; slice shop-2 shop "$port" >>"$dir/endpoints.yaml"
pod api-1; slice api-1 api "$port" >>"$dir/endpoints.yaml"

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=secure.localhost \
  -addext subjectAltName=DNS:secure.localhost -keyout "$out/tls.key" -out "$out/tls.crt" 2>/dev/null
cat >"$dir/secret.yaml" <<YAML
apiVersion: v1
kind: Secret
metadata: { name: secure-tls, namespace: demo }
type: kubernetes.io/tls
data:
  tls.crt: $(base64 -w0 "$out/tls.crt")
  tls.key: $(base64 -w0 "$out/tls.key")
YAML

free() { if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then echo 0; else echo "$1"; fi; }
# The port of TLS is not 443 here: redirects name it. Nobody waits long for open connections of a demo.
apart "$bin/sluice" serve --manifests "$dir" --set use-port-in-redirects=true --set worker-shutdown-timeout=2s --http "127.0.0.1:$(free 8080)" --https "127.0.0.1:$(free 8443)" \
  --admin "127.0.0.1:$(free 10254)" >"$out/sluice.log" 2>&1 &
sluice=$!
pids=("$sluice" "${pids[@]}")  # the proxy ends before its pods
http=$(wait_for "$out/sluice.log" '^listening http ' $sluice)
https=$(wait_for "$out/sluice.log" '^listening https ' $sluice)
admin=$(wait_for "$out/sluice.log" '^listening admin ' $sluice)
wait_for "$out/sluice.log" '^ready' $sluice >/dev/null

cat <<TEXT

sluice serves $dir
  http   $http
  https  $https
  admin  $admin

Five requests to try:
  curl -H 'Host: shop.localhost' http://$http/cart               # one of two pods shows the request as it arrived
  curl -H 'Host: shop.localhost' http://$http/api/items          # the longer path, another Service
  curl -i -H 'Host: secure.localhost' http://$http/              # 308: this host has TLS; -L follows it
  curl --cacert $out/tls.crt --resolve secure.localhost:${https##*:}:127.0.0.1 https://secure.localhost:${https##*:}/
  curl -i -H 'Host: old.localhost' http://$http/                 # 301: permanent-redirect

What it knows:    curl http://$admin/routes    curl http://$admin/config    curl http://$admin/metrics
Why a request goes where it goes:    $bin/sluice explain $dir GET http://shop.localhost/api/items
Change a file in $dir and ask again. The log: $out/sluice.log. Ctrl-C ends everything.
TEXT
wait "$sluice"
