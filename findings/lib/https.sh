# Sourced behind packages.sh and from_go: a server of HTTPS in Go and who trusts it.

# certificate NAME: $T/cert.pem and $T/key.pem, for two days.
certificate() {
  openssl req -x509 -newkey rsa:2048 -nodes -keyout "$T/key.pem" -out "$T/cert.pem" -days 2 -subj "/CN=pod" -addext "subjectAltName=DNS:$1" 2>/dev/null
}

mkdir -p "$T/go/server" "$T/go/client"
cat >"$T/go/server/serve.go" <<'G'
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
)

// Arguments of the program: certificate, key, the file that the port is written to.
func serve(s *http.Server) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	os.WriteFile(os.Args[3], []byte(fmt.Sprint(l.Addr().(*net.TCPAddr).Port)), 0o600)
	s.ServeTLS(l, os.Args[1], os.Args[2])
}
G
cat >"$T/go/client/trust.go" <<'G'
package main

import (
	"crypto/tls"
	"crypto/x509"
	"os"
)

// Second argument of the program: the certificate.
func trusting() *tls.Config {
	pem, _ := os.ReadFile(os.Args[2])
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return &tls.Config{RootCAs: pool}
}
G
