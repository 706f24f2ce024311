#!/usr/bin/env bash
# docker/root.sh DIR BINARY…: makes DIR the root of an image with these binaries, the libraries that they load, the
# certificates of public authorities and the user sluice. What came from which Debian package is said where scanners look
# for it (/var/lib/dpkg/status.d), with the licence. All files get the time SOURCE_DATE_EPOCH.
set -euo pipefail
root=$1
shift
mkdir -p "$root"/{etc/ssl/certs,etc/sluice/manifests,usr/bin,usr/lib/ssl,usr/local/bin,usr/share/doc,var/lib/dpkg/status.d,tmp}
chmod 1777 "$root/tmp"
ln -s usr/lib "$root/lib"
mkdir "$root/usr/lib64"
ln -s usr/lib64 "$root/lib64"

packages=()
take() {  # a file of a package, by the path where it really is
  local from package
  from=$(readlink -f "$1")
  install -D -m "$(stat -c %a "$from")" "$from" "$root$2"
  package=$(dpkg -S "$from" 2>/dev/null || dpkg -S "${from#/usr}")
  packages+=("$(cut -d: -f1 <<<"${package%%$'\n'*}")")
}

install -m 755 "$@" "$root/usr/local/bin/"
# The build ID is a digest of the debug information too, in which GCC's link-time optimiser orders some entries at random.
strip --remove-section=.note.gnu.build-id "$root"/usr/local/bin/*
libraries=$(ldd "$@" | awk '$2 == "=>" { print $3 } $1 ~ /^\/lib/ && !/=>/ { print $1 }' | sort -u)
for library in $libraries; do take "$library" "/usr/${library#/usr/}"; done
take /etc/ssl/openssl.cnf /etc/ssl/openssl.cnf
ln -s /etc/ssl/openssl.cnf "$root/usr/lib/ssl/openssl.cnf"
install -m 644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
ln -s /etc/ssl/certs/ca-certificates.crt "$root/usr/lib/ssl/cert.pem"
packages+=(ca-certificates)
install -m 644 config/sluice.yaml "$root/etc/sluice/"
echo 'sluice:x:10001:10001::/:/usr/sbin/nologin' >"$root/etc/passwd"
echo 'sluice:x:10001:' >"$root/etc/group"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
install -m 644 /etc/debian_version "$root/etc/"
install -m 644 /usr/lib/os-release "$root/etc/"

for package in $(printf '%s\n' "${packages[@]}" | sort -u); do
  dpkg-query -s "$package" >"$root/var/lib/dpkg/status.d/$package"
  install -D -m 644 "/usr/share/doc/$package/copyright" "$root/usr/share/doc/$package/copyright"
done
install -D -m 644 LICENSE "$root/usr/share/doc/sluice/copyright"

find "$root" -depth -exec touch -h -d "@${SOURCE_DATE_EPOCH:-0}" {} +
# Ports below 1024 without root: the one capability that it gets.
setcap cap_net_bind_service=+ep "$root/usr/local/bin/sluice"
