#!/usr/bin/env bash
# tools/image.sh NAME [option of the builder…]: builds docker/Dockerfile with whichever of docker, podman and buildah works
# here. BUILDER from the environment is the one to take; BASE and APT_SOURCES are the Dockerfile's arguments of that name.
set -euo pipefail
cd "$(dirname "$0")/.."
name=$1
shift
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
COMMIT=${COMMIT:-$(git rev-parse --short=12 HEAD 2>/dev/null || true)}
export SOURCE_DATE_EPOCH COMMIT
options=(-f docker/Dockerfile -t "$name")
for argument in BASE APT_SOURCES COMMIT SOURCE_DATE_EPOCH; do
  [ -z "${!argument:-}" ] || options+=(--build-arg "$argument=${!argument}")
done
builder=${BUILDER:-}
if [ -z "$builder" ]; then
  if command -v docker >/dev/null && docker info >/dev/null 2>&1; then builder=docker
  elif command -v podman >/dev/null; then builder=podman
  elif command -v buildah >/dev/null; then builder=buildah
  fi
fi
# Docker's format of images: the other one has no health checks.
case $builder in
  docker) exec docker build "${options[@]}" "$@" . ;;
  podman | buildah) exec "$builder" build "${options[@]}" --format docker --timestamp "$SOURCE_DATE_EPOCH" "$@" . ;;
esac
echo "make image needs docker with its daemon running, podman or buildah; none of them works here" >&2
exit 1
