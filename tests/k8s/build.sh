#!/usr/bin/env bash
# Builds build/k8s/bin/k8s-harness: kube-apiserver, etcd, controllers and kubectl in one program, from Go modules;
# build/k8s/bin/helm; and of cert-manager and the ACME server Pebble what test_cert_manager.py needs. A quarter of an hour
# from nothing on two cores; a second when neither the sources nor go.sum changed.
set -euo pipefail
cd "$(dirname "$0")/harness"
out=$(cd ../../.. && pwd)/build/k8s
PATH=$PATH:/usr/local/go/bin
command -v go >/dev/null || { echo "go is not there: version $(sed -n 's/^go //p' go.mod) or newer is needed to build the API server" >&2; exit 1; }
export CGO_ENABLED=0 GOFLAGS='-buildvcs=false -trimpath -p=2'
helm=v3.22.0
if [ ! -e "$out/bin/.helm-$helm" ]; then
  mkdir -p "$out/bin"
  echo "building Helm $helm for the tests (two minutes the first time)"
  GOBIN=$out/bin nice -n 10 go install "helm.sh/helm/v3/cmd/helm@$helm"
  rm -f "$out"/bin/.helm-*
  touch "$out/bin/.helm-$helm"
fi
# cert-manager's controllers and solver, and Pebble: a program of ours around the first, as those of its own modules cannot
# be asked for by name.
stamp=$out/bin/.pebble-$(cat ../cert-manager/go.sum ../cert-manager/go.mod ../cert-manager/*.go | sha1sum | cut -c1-16)
if [ ! -e "$stamp" ]; then
  cd ../cert-manager
  echo "building cert-manager $(go list -m -f '{{.Version}}' github.com/cert-manager/cert-manager) and Pebble for the tests (four minutes the first time)"
  nice -n 10 go build -ldflags='-s -w' -o "$out/bin/cert-manager" .
  for tool in pebble pebble-challtestsrv; do
    nice -n 10 go build -ldflags='-s -w' -o "$out/bin/$tool" "github.com/letsencrypt/pebble/v2/cmd/$tool"
  done
  (cd "$(go list -m -f '{{.Dir}}' github.com/cert-manager/cert-manager)/deploy/crds" && for crd in *.yaml; do printf -- '---\n'; cat "$crd"; done) >"$out/cert-manager-crds.yaml"
  rm -f "$out"/bin/.pebble-*
  touch "$stamp"
  cd ../harness
fi
stamp=$out/bin/.$(cat go.sum go.mod cmd/*/*.go | sha1sum | cut -c1-16)
[ ! -e "$stamp" ] || exit 0
mkdir -p "$out/bin"
# Without a version kubectl refuses to print one, and the API server says v0.0.0.
version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
minor=${version#v1.} flags='-s -w'
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
  flags+=" -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=${minor%%.*} -X $package.gitTreeState=clean -X $package.gitCommit=module"
done
echo "building $version of Kubernetes for the tests (the first time takes some ten minutes)"
nice -n 10 go build -ldflags="$flags" -o "$out/bin/k8s-harness" ./cmd/k8s-harness
rm -f "$out"/bin/.[0-9a-f]*
touch "$stamp"
