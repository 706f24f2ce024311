#!/usr/bin/env bash
# tools/deps.sh GROUP…: installs the packages of these groups in packages.txt that are missing, and says which. For the
# group test also what Debian does not have: tests/requirements.txt, into build/venv.
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

python_tools() {
  [[ " $* " == *" test "* ]] || return 0
  local wanted
  wanted=build/venv/.$(sha1sum <tests/requirements.txt | cut -c1-12)
  [ ! -e "$wanted" ] || return 0
  echo "installing into build/venv: $(grep -v '^#' tests/requirements.txt | cut -d' ' -f1 | xargs)"
  mkdir -p build
  if python3 -m venv build/venv && build/venv/bin/pip install -q --disable-pip-version-check -r tests/requirements.txt; then
    touch "$wanted"
  else
    echo "that did not work: the tests that need them will say so and be skipped" >&2
  fi
}

if [ ${#missing[@]} -eq 0 ]; then
  python_tools "$@"
  exit 0
fi

# Some of them (nginx-light, haproxy, prometheus) bring services. Nothing is started on this machine, now or when it
# starts again: invoke-rc.d and systemd ask policy-rc.d, and the units that came are disabled.
policy=${DEPS_POLICY:-/usr/sbin/policy-rc.d} folder=${DEPS_UNITS:-/lib/systemd/system}  # others: for the test
keep_from_starting() {
  [ ! -e "$policy" ] || return 0
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
  "${as_root[@]}" chmod 755 "$policy"
  trap '"${as_root[@]}" rm -f "$policy"' EXIT
}
units() { { cd "$folder" 2>/dev/null && ls 2>/dev/null | grep -E '^[^@]+\.(service|socket|timer)$'; } | sort; }
disable_services() {  # BEFORE: what there was
  local unit
  command -v systemctl >/dev/null || return 0
  for unit in $(comm -13 <(echo "$1") <(units)); do
    echo "not started: $unit"
    "${as_root[@]}" systemctl --quiet disable "$unit" >/dev/null 2>&1 || true
  done
}

echo "installing for '$*': ${missing[*]}"
as_root=()
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || { echo "neither root nor sudo: please install them with apt-get install ${missing[*]}" >&2; exit 1; }
  as_root=(sudo)
fi
install() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null; }
keep_from_starting
before=$(units || true)
install 2>/dev/null || { "${as_root[@]}" apt-get update -qq && install; }
disable_services "$before"
python_tools "$@"
