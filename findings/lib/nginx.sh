# Sourced behind packages.sh: nginx of Debian 12, whose one server listens on $PORT. What that server has comes on standard
# input.
NGINX=1.22.1-9+deb12u11
PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')

serve_nginx() {
  (cd "$T" && apt-get download -qq -o APT::Sandbox::User=root nginx=$NGINX && dpkg-deb -x nginx_*.deb nginx)
  mkdir -p "$T/logs"
  cat >"$T/nginx.conf" <<N
daemon on; pid $T/pid; error_log $T/logs/error.log;
events {}
http {
  access_log off; client_body_temp_path $T/b; proxy_temp_path $T/p; fastcgi_temp_path $T/f; uwsgi_temp_path $T/u; scgi_temp_path $T/s;
  server {
    listen 127.0.0.1:$PORT;
    root $T;
$(cat)
  }
}
N
  trap 'kill "$(cat "$T/pid")" 2>/dev/null; rm -rf "$T"' EXIT
  "$T/nginx/usr/sbin/nginx" -c "$T/nginx.conf" -p "$T" -e "$T/logs/error.log"
  "$T/nginx/usr/sbin/nginx" -v 2>&1 | sed 's/^/version: /'
}
