#!/usr/bin/env bash
# Surprise: java.net.http's HttpClient does not keep a request waiting that is one more than the server's
#   SETTINGS_MAX_CONCURRENT_STREAMS allows, and opens no second connection for it: it fails at once with an IOException, though
#   it was never sent. Of twelve requests to a server that allows four, eight fail; Go's client and httpx get twelve answers.
#   A proxy that lowers the limit while it is short of memory so turns "a little later" into errors.
# Source: RFC 9113 section 5.1.2 lets a server change the limit at any time, and asks of a client no more than to stay below.
#   OpenJDK 17.0.21.1 (Debian 12), Http2Connection and Stream ("too many concurrent streams"); Go 1.26 net/http, httpx 0.28.1.
# Usual guess: as every pool, it queues what the limit does not let through, up to the request's timeout.
set -euo pipefail
T=$(mktemp -d)
. "$(dirname "$0")/lib/packages.sh"
from_pypi "httpx[http2]==0.28.1"
from_go
JDK=17.0.21.1+2-1~deb12u1
(cd "$T" && apt-get download -qq -o APT::Sandbox::User=root openjdk-17-jre-headless=$JDK openjdk-17-jdk-headless=$JDK && for d in *.deb; do dpkg-deb -x "$d" jdk; done)
java=$(dirname "$(find "$T/jdk" -path '*/bin/javac')")/..
rm -r "$java/conf"  # links into /etc
cp -r "$T/jdk/etc/java-17-openjdk" "$java/conf"
"$java/bin/java" --version | head -1

. "$(dirname "$0")/lib/https.sh"
certificate localhost
cat >"$T/go/server/main.go" <<'G'
package main

import (
	"net/http"
	"time"
)

func main() {
	s := &http.Server{HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 4}, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(500 * time.Millisecond)
	})}
	serve(s)
}
G
cat >"$T/go/client/main.go" <<'G'
package main

import (
	"fmt"
	"net/http"
	"os"
)

func main() {
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: trusting(), ForceAttemptHTTP2: true}}
	one := func() string {
		r, err := c.Get(os.Args[1])
		if err != nil {
			return "go " + err.Error()
		}
		r.Body.Close()
		return fmt.Sprintln("go", r.StatusCode)
	}
	one() // the connection, and its SETTINGS
	answers := make(chan string)
	for range 12 {
		go func() { answers <- one() }()
	}
	for range 12 {
		fmt.Print(<-answers)
	}
}
G
cat >"$T/client.py" <<'P'
import asyncio, ssl, sys, httpx
async def main():
    async with httpx.AsyncClient(http2=True, verify=ssl.create_default_context(cafile=sys.argv[2]), timeout=20) as c:
        async def one():
            try: return (await c.get(sys.argv[1])).status_code
            except httpx.HTTPError as e: return repr(e)
        await one()
        for answer in await asyncio.gather(*(one() for _ in range(12))): print("httpx", answer)
asyncio.run(main())
P
cat >"$T/Client.java" <<'J'
import java.io.FileInputStream;
import java.net.URI;
import java.net.http.*;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.*;
import java.util.concurrent.*;
import javax.net.ssl.*;

public class Client {
  public static void main(String[] args) throws Exception {
    KeyStore store = KeyStore.getInstance("PKCS12");
    store.load(null, null);
    store.setCertificateEntry("server", CertificateFactory.getInstance("X.509").generateCertificate(new FileInputStream(args[1])));
    TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
    trust.init(store);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(null, trust.getTrustManagers(), null);
    HttpClient client = HttpClient.newBuilder().sslContext(context).build();
    HttpRequest request = HttpRequest.newBuilder(URI.create(args[0])).build();
    client.send(request, HttpResponse.BodyHandlers.discarding());
    List<CompletableFuture<String>> answers = new ArrayList<>();
    for (int i = 0; i < 12; i++)
      answers.add(client.sendAsync(request, HttpResponse.BodyHandlers.discarding()).handle((r, e) -> e == null ? "" + r.statusCode() : e.getCause().toString()));
    for (CompletableFuture<String> a : answers) System.out.println("java " + a.get(20, TimeUnit.SECONDS));
    System.exit(0);
  }
}
J
go_build server
go_build client
"$T/go/server.bin" "$T/cert.pem" "$T/key.pem" "$T/port" &
url=https://localhost:$(port_in "$T/port")/
{
  "$java/bin/java" "$T/Client.java" "$url" "$T/cert.pem"
  "$T/go/client.bin" "$url" "$T/cert.pem"
  "$T/py/bin/python" "$T/client.py" "$url" "$T/cert.pem"
} | sort | uniq -c >"$T/got"
holds "$T/got" <<'X' || exit 1
     12 go 200
     12 httpx 200
      4 java 200
      8 java java.io.IOException: too many concurrent streams
X
