#!/usr/bin/env bash
# tools/deps.sh GROUP…: installs the packages of these groups in packages.txt that are missing, and says which.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- build

missing=()
while read -r name group _; do
  case $name in '' | '#'*) continue ;; esac
  [[ " $* " == *" $group "* ]] || continue
  package=${name%%|*}
  [ "$package" = "$name" ] || ! command -v "${name#*|}" >/dev/null || continue
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] || missing+=("$package")
done < packages.txt
[ ${#missing[@]} -gt 0 ] || exit 0

echo "installing for '$*': ${missing[*]}"
as_root=()
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || { echo "neither root nor sudo: please install them with apt-get install ${missing[*]}" >&2; exit 1; }
  as_root=(sudo)
fi
install() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null; }
install 2>/dev/null || { "${as_root[@]}" apt-get update -qq && install; }
