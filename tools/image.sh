#!/usr/bin/env bash
# tools/image.sh NAME: builds docker/Dockerfile with whichever of docker, podman and buildah works here.
set -euo pipefail
cd "$(dirname "$0")/.."
if command -v docker >/dev/null && docker info >/dev/null 2>&1; then exec docker build -f docker/Dockerfile -t "$1" .; fi
if command -v podman >/dev/null; then exec podman build -f docker/Dockerfile -t "$1" .; fi
if command -v buildah >/dev/null; then exec buildah bud -f docker/Dockerfile -t "$1" .; fi
echo "make image needs docker with its daemon running, podman or buildah; none of them works here" >&2
exit 1
