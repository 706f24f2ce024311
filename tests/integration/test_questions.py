"""The questions of `kubectl ingress-nginx`, answered by `sluice`: what is printed and how it exits."""
import json
import re
import ssl
import subprocess

import pytest
from harness import SLUICE
from shop import a_shop


@pytest.fixture
def shop(site):
    return a_shop(site)


def sluice_says(command, proxy, *args):
    r = subprocess.run([SLUICE, command, *map(str, args), "--admin", getattr(proxy, "admin", proxy)], capture_output=True, text=True, timeout=30)
    return r.returncode, r.stdout, r.stderr


def test_backends(shop):
    proxy, _ = shop
    code, out, err = sluice_says("backends", proxy)
    assert code == 0 and json.loads(out) == proxy.admin_get("/configuration/backends").json()
    assert re.search(r'^    "name": "default-shop-80",$', out, re.M), "two blanks a level, as the plugin prints it"
    code, out, _ = sluice_says("backends", proxy, "--list")
    assert code == 0 and set(out.split()) >= {"default-shop-80", "default-next-80", "other-hash-80"}
    for args in (["--backend", "default-next-80"], ["default-next-80"]):
        code, out, _ = sluice_says("backends", proxy, *args)
        assert code == 0 and json.loads(out)["trafficShapingPolicy"]["weight"] == 20
    code, out, err = sluice_says("backends", proxy, "--backend", "default-shp-80")
    assert code == 1 and out == "" and "backend default-shp-80: there is none; expected one of default-" in err and "did you mean default-shop-80?" in err
    code, _, err = sluice_says("backends", proxy, "--list", "--backend", "x")
    assert code == 2 and "--list and --backend x: expected one of them" in err


def test_ingresses(shop):
    proxy, _ = shop
    code, out, _ = sluice_says("ingresses", proxy)
    assert code == 0
    head, *rows = [re.split(r"\s{3,}", line) for line in out.splitlines()]
    assert head == ["NAMESPACE", "INGRESS NAME", "HOST+PATH", "TLS", "SERVICE", "SERVICE PORT", "ENDPOINTS"]
    assert ["default", "shop", "shop.example/api", "YES", "shop", "80", "2"] in rows and ["other", "hash", "hash.example/", "NO", "hash", "80", "1"] in rows
    assert ["default", "none", "none.example/", "NO", "nobody", "80", "0"] in rows
    assert len(rows) == len({tuple(r) for r in rows}), "a Prefix is one path"
    code, out, _ = sluice_says("ingresses", proxy, "--host", "Shop.Example", "--json")
    told = json.loads(out)
    assert code == 0 and {r["path"] for r in told} == {"/", "/api"} and all(r["tls"] and r["endpoints"] == 2 for r in told)
    assert [r.get("canary") for r in told if r["path"] == "/"] == ["next"]
    code, out, _ = sluice_says("ingresses", proxy, "-n", "other")
    assert code == 0 and len(out.splitlines()) == 2
    for args, kind, meant in ((["--host", "shop.exmple"], "host shop.exmple", "shop.example"), (["-n", "othr"], "namespace othr", "other")):
        code, out, err = sluice_says("ingresses", proxy, *args)
        assert code == 1 and f"{kind}: there is none; expected one of" in err and f"did you mean {meant}?" in err


def test_conf(shop):
    proxy, _ = shop
    code, out, _ = sluice_says("conf", proxy)
    assert code == 0 and "shop.example  TLS\n" in out and "hash.example\n" in out
    code, out, _ = sluice_says("conf", proxy, "--host", "shop.example")
    assert code == 0 and "hash.example" not in out
    assert re.search(r"^  /api  Prefix  -> default/shop:80  2 of 2 endpoints  \[Ingress default/shop \(\S+:\d+\)\]$", out, re.M), out
    assert re.search(r"^  /  Prefix  -> default/shop:80 .* canary next ", out, re.M), out
    _, out, _ = sluice_says("conf", proxy, "--host", "none.example")
    assert "no endpoints: " in out
    code, out, _ = sluice_says("conf", proxy, "--host", "shop.example", "--json")
    told = json.loads(out)
    assert code == 0 and told["host"] == "shop.example" and {r["host"] for r in told["routes"]} == {"shop.example"} and [c["name"] for c in told["clusters"]] == ["default-shop-80"]
    code, out, _ = sluice_says("conf", proxy, "--json")
    assert json.loads(out) == proxy.config()
    code, _, err = sluice_says("conf", proxy, "--host", "shp.example")
    assert code == 1 and "did you mean shop.example?" in err


def test_an_alias_is_the_host_that_has_its_routes(site):
    site.app("app.example", "10.0.0.1:80", annotations={"server-alias": "other.example,*.more.example"})
    site.app("*.wild.example", "10.0.0.1:80", name="wild", annotations={"server-alias": "tame.example"})
    proxy = site.sluice()
    for alias, host in (("other.example", "app.example"), ("Other.Example", "app.example"), ("*.more.example", "app.example"), ("tame.example", "*.wild.example")):
        code, out, err = sluice_says("conf", proxy, "--host", alias)
        assert code == 0 and out.startswith(host + "\n"), (alias, out, err)
        code, out, _ = sluice_says("ingresses", proxy, "--host", alias, "--json")
        assert code == 0 and {row["host"] for row in json.loads(out)} == {host}
    assert proxy.config()["aliases"] == {"other.example": "app.example", "*.more.example": "app.example", "tame.example": "*.wild.example"}
    assert sluice_says("conf", proxy, "--host", "none.example")[0] == 1


def test_a_redirect_leads_where_it_leads(site):
    site.app("old.example", "10.0.0.1:80", annotations={"permanent-redirect": "https://new.example/x"})
    site.app("app.example", "10.0.0.1:80", annotations={"from-to-www-redirect": "true"})
    proxy = site.sluice()
    _, out, _ = sluice_says("conf", proxy)
    assert re.search(r"^old.example\n  /  Prefix  -> 301 to https://new.example/x  \[Ingress default/old ", out, re.M), out
    assert re.search(r"^www.app.example\n.* -> app.example  ?", out, re.M), out
    told = json.loads(sluice_says("ingresses", proxy, "--json")[1])
    assert [r["redirect"] for r in told if r["host"] == "old.example"] == ["https://new.example/x"]


def test_certs(shop):
    proxy, cert = shop
    code, out, _ = sluice_says("certs", proxy, "--host", "shop.example")
    assert code == 0 and out == cert
    assert ssl.PEM_cert_to_DER_cert(sluice_says("certs", proxy, "--host", "_")[1])
    code, out, err = sluice_says("certs", proxy, "--host", "shop.exampel")
    assert code == 1 and out == "" and "certificate of host shop.exampel: there is none; expected one of shop.example; did you mean shop.example?" in err
    code, _, err = sluice_says("certs", proxy)
    assert code == 2 and "--host" in err


def test_whom_they_may_ask(site):
    site.app("app.example", site.pod().address)
    token = site.tmp / "token"
    token.write_text("abc")
    proxy = site.sluice("--admin-token-file", token, "--admin-trust-loopback=false")
    for command, args in (("backends", []), ("ingresses", []), ("conf", []), ("certs", ["--host", "_"])):
        code, out, err = sluice_says(command, proxy, *args)
        assert code == 2 and out == "" and "401" in err and "--admin-token-file" in err, (command, err)
        assert sluice_says(command, proxy, *args, "--admin-token-file", token)[0] == 0, command
        code, _, err = sluice_says(command, proxy, *args, "--admin-token-file", site.tmp / "none")
        assert code == 2 and "--admin-token-file" in err
        code, _, err = sluice_says(command, "127.0.0.1:1", *args)
        assert code == 2 and "127.0.0.1:1: Connection refused" in err
        assert sluice_says(command, "nonsense", *args)[0] == 2
    # Somebody else's server, whatever it says.
    for said in (b"nonsense", b"HTTP/1.1 200 OK\r\n\r\n[1", b'HTTP/1.1 200 OK\r\n\r\n{"routes":7,"clusters":[3,{}]}', b'HTTP/1.1 200 OK\r\n\r\n"\\u001b[2J"', b"HTTP/1.1 200 OK\r\n\r\n[]"):
        def answer(sock, number, said=said):
            sock.recv(65536)
            sock.sendall(said)
        other = site.scripted(answer).address
        for command, args in (("backends", []), ("ingresses", []), ("conf", []), ("certs", ["--host", "_"])):
            code, out, err = sluice_says(command, other, *args)
            assert code in (0, 2) and "\x1b" not in out + err, (command, said, code, out, err)


def test_what_lint_says_of_annotations_that_were_taken_away(site):
    removed = {"secure-backends": "backend-protocol: HTTPS", "grpc-backend": "backend-protocol: GRPC", "add-base-url": "x-forwarded-prefix", "base-url-scheme": "x-forwarded-prefix",
               "session-cookie-hash": "affinity: cookie", "mirror-uri": "mirror-target", "secure-verify-ca-secret": "proxy-ssl-secret"}
    site.app("app.example", "10.0.0.1:80", annotations={**{name: "x" for name in removed}, "grpc-backendx": "x"})
    r = subprocess.run([SLUICE, "check", site.manifests.root, "--json", "--strict"], capture_output=True, text=True, timeout=30)
    told = {re.search(r"\[(.*)\]", e["field"])[1]: e["expected"] for e in json.loads(r.stdout)["report"] if e["reason"] == "UnknownAnnotation"}
    assert r.returncode == 1 and set(told) == set(removed) | {"grpc-backendx"}
    for name, successor in removed.items():
        assert successor in told[name] and "took this one away" in told[name], told
    assert told["grpc-backendx"] == "an annotation that docs/annotations.md lists"


@pytest.mark.parametrize("word, instead", [("lint", "sluice check"), ("info", "kubectl get service"), ("general", "sluice conf --json"), ("logs", "kubectl logs"),
                                           ("exec", "kubectl exec"), ("ssh", "kubectl debug")])
def test_commands_of_the_plugin_that_are_none_here(word, instead):
    r = subprocess.run([SLUICE, word], capture_output=True, text=True, timeout=30)
    assert r.returncode == 2 and f"{word}: is not a command; " in r.stderr and instead in r.stderr
