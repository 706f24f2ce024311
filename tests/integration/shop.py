"""A site of which operators ask things: several namespaces, sessions, a canary, a certificate."""
from harness import certificate, ingress, service, slices, tls_secret


def a_shop(site):
    """(proxy, certificate) of a shop with sessions, a canary, a certificate, and what speaks to nobody."""
    cert, key = certificate("shop.example")
    site.manifests.write("secret.yaml", tls_secret("cert", cert, key))
    n = "nginx.ingress.kubernetes.io/"
    site.app("shop.example", ["10.0.0.1:8080", "10.0.0.2:8080"], name="shop", tls=[(["shop.example"], "cert")],
             annotations={n + "affinity": "cookie", n + "session-cookie-name": "S"}, paths=[("/", "Prefix"), ("/api", "Prefix")])
    site.manifests.write("next.yaml", ingress("next", {"shop.example": "next"}, annotations={n + "canary": "true", n + "canary-weight": "20"}),
                         service("next"), *slices("next", ["10.0.0.3:8080"]))
    site.app("hash.example", "10.0.0.4:8080", name="hash", annotations={n + "upstream-hash-by": "$request_uri", n + "load-balance": "ewma"}, ns="other")
    site.manifests.write("none.yaml", ingress("none", {"none.example": "nobody"}))
    return site.sluice(), cert
