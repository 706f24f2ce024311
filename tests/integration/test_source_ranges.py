"""Whose requests are taken: lists of addresses of Ingresses and of the ConfigMap."""
import socket
import ssl
import subprocess

import pytest

from harness import SLUICE, config_map, ingress, service, slices

TRUST = {"use-forwarded-headers": "true", "proxy-real-ip-cidr": "127.0.0.0/8"}


def ask(sluice, client, host="app.example", path="/"):
    with sluice.raw() as c:
        return c.get(path, host, headers=[f"X-Forwarded-For: {client}"])


@pytest.mark.parametrize("annotations,statuses", [
    ({"allowlist-source-range": "10.0.0.0/8, 2001:db8::/32"}, {"10.1.2.3": 200, "2001:db8::1": 200, "11.0.0.1": 403, "2001:db9::1": 403, "::1": 403}),
    ({"whitelist-source-range": "10.0.0.1"}, {"10.0.0.1": 200, "10.0.0.2": 403}),
    ({"denylist-source-range": "10.0.0.0/8"}, {"10.1.2.3": 403, "11.0.0.1": 200, "2001:db8::1": 200}),
    ({"denylist-source-range": "10.0.0.5", "allowlist-source-range": "10.0.0.0/29"}, {"10.0.0.1": 200, "10.0.0.5": 403, "10.0.0.9": 403}),
    ({"allowlist-source-range": "0.0.0.0/0"}, {"10.1.2.3": 200, "2001:db8::1": 403}),
    ({"allowlist-source-range": "10.0.0.0/8,\n  11.0.0.0/8,\r\n\t12.0.0.0/8\n"}, {"10.1.2.3": 200, "11.0.0.1": 200, "12.0.0.1": 200, "13.0.0.1": 403}),
    ({"denylist-source-range": "10.0.0.0/8,\n11.0.0.0/8\n"}, {"10.1.2.3": 403, "11.0.0.1": 403, "12.0.0.1": 200})])
def test_lists_of_an_ingress(site, annotations, statuses):
    site.app("app.example", site.pod().address, annotations=annotations)
    sluice = site.sluice(options=TRUST)
    assert {client: ask(sluice, client).status for client in statuses} == statuses


def test_an_address_that_nobody_trusted_says_does_not_count(site):
    site.app("app.example", site.pod().address, annotations={"allowlist-source-range": "10.0.0.0/8"})
    sluice = site.sluice()
    assert ask(sluice, "10.0.0.1").status == 403


def test_the_config_map_counts_where_an_ingress_says_nothing(site):
    pod = site.pod()
    site.app("app.example", pod.address)
    site.app("own.example", pod.address, annotations={"allowlist-source-range": "0.0.0.0/0,::/0"})
    put = lambda **data: site.manifests.write("options.yaml", config_map({**TRUST, **{k.replace("_", "-"): v for k, v in data.items()}}))
    put(block_cidrs="10.0.0.0/8")
    sluice = site.sluice()
    statuses = lambda client: [ask(sluice, client, h).status for h in ("app.example", "own.example", "nobody.example")]
    assert statuses("10.0.0.1") == [403, 200, 403]
    assert statuses("11.0.0.1") == [200, 200, 404]
    assert ask(sluice, "10.0.0.1", "nobody.example", "/healthz").status == 200
    sluice.changed(lambda: put(whitelist_source_range="11.0.0.0/8\n12.0.0.0/8", denylist_source_range="12.0.0.1"))
    assert [ask(sluice, c).status for c in ("11.0.0.1", "12.0.0.2", "12.0.0.1", "13.0.0.1")] == [200, 200, 403, 403]
    assert ask(sluice, "13.0.0.1", "own.example").status == 200
    sluice.changed(lambda: put(denylist_source_range="office"))
    assert [ask(sluice, c).status for c in ("11.0.0.1", "2001:db8::1")] == [403, 403]
    sluice.changed(lambda: put())
    assert statuses("10.0.0.1") == [200, 200, 404]


def test_a_list_that_cannot_be_read_closes(site):
    site.app("app.example", site.pod().address, annotations={"denylist-source-range": "10.0.0.0/8, office"})
    assert ask(site.sluice(options=TRUST), "11.0.0.1").status == 503


def test_tls_that_is_passed_through_is_kept_from_the_same(site):
    """Nobody here can answer such a client: its connection ends."""
    pod = site.pod()
    site.manifests.write("pass.yaml", ingress("pass", {"pass.example": [("/", "Prefix", "pass", 443)]}, annotations={"ssl-passthrough": "true", "denylist-source-range": "127.0.0.0/8"}),
                         service("pass", port=443, port_name="https"), *slices("pass", [pod.address], port_name="https"))
    sluice = site.sluice("--enable-ssl-passthrough")
    with pytest.raises((ConnectionError, ssl.SSLError, socket.timeout)):
        sluice.tls("pass.example").close()
    assert pod.stats()["requests"] == 0
    with sluice.raw() as c:
        assert c.get("/", "pass.example").status == 403


def test_explain_asks_for_an_address(site):
    site.app("app.example", site.pod().address, annotations={"allowlist-source-range": "10.0.0.0/8"})
    explain = lambda *args: subprocess.run([SLUICE, "explain", site.manifests.root, "GET", "http://app.example/", *args], stdout=subprocess.PIPE, timeout=30, text=True)
    assert "--from ADDRESS" in explain().stdout and "forwarded to" in explain().stdout
    assert "allowlist-source-range = 10.0.0.0/8" in explain().stdout
    assert "403: the client's address is not in allowlist-source-range  [filter source-ranges]" in explain("--from", "11.0.0.1").stdout
    assert "forwarded to" in explain("--from", "10.0.0.1").stdout
    assert explain("--from", "nobody").returncode == 2


AGENTS = {"block-user-agents": r'curl,~*bad\.?bot,"~^Two words"', "block-referers": "~*spam\\.example"}


def agent(sluice, host="app.example", path="/", **fields):
    with sluice.raw() as c:
        return c.get(path, host, headers=[f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]).status


def test_agents_and_referers_of_the_config_map_are_blocked_everywhere(site):
    """In front of all else, as nginx asks at each server: probes, redirects, hosts that nobody has."""
    pod = site.pod()
    site.app("app.example", pod.address, annotations={"from-to-www-redirect": "true"})
    put = lambda **data: site.manifests.write("options.yaml", config_map({k.replace("_", "-"): v for k, v in data.items()}))
    site.manifests.write("options.yaml", config_map(AGENTS))
    sluice = site.sluice()
    assert [agent(sluice, User_Agent=a) for a in ("curl", "CURL", "a BadBot", "x BAD.BOT", "Two words 1")] == [403] * 5
    assert [agent(sluice, User_Agent=a) for a in ("curl/8", "two words 1", "good")] == [200] * 3
    assert [agent(sluice, Referer=r) for r in ("http://SPAM.example/", "http://other.example/")] == [403, 200]
    assert agent(sluice) == 200 and pod.stats()["requests"] == 5
    for host, path, status in (("www.app.example", "/", 308), ("nobody.example", "/", 404), ("nobody.example", "/healthz", 200)):
        assert (agent(sluice, host, path, User_Agent="curl"), agent(sluice, host, path)) == (403, status)
    assert sluice.metric("nginx_ingress_controller_requests", host="app.example", status="403") == 6
    told = explain(site, "http://app.example/", "--header", "User-Agent: curl")
    assert "403: the User-Agent is one of block-user-agents  [filter blocked]" in told
    sluice.changed(lambda: put(block_user_agents="~(,curl"))
    assert (agent(sluice, User_Agent="good"), agent(sluice)) == (403, 403)
    sluice.changed(lambda: put(block_user_agents="", block_referers=","))
    assert agent(sluice, User_Agent="curl") == 200


def explain(site, url, *args):
    return subprocess.run([SLUICE, "explain", site.manifests.root, "GET", url, *args], stdout=subprocess.PIPE, timeout=30, text=True).stdout
