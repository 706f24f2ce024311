"""Changes of the directory while traffic runs."""
import json
import os
import shutil
import time
from pathlib import Path

import pytest

from harness import (INGRESS_CLASS, Manifests, Sluice, certificate, config_map, endpoint_slice, ingress, serial_of, service, slices, tls_secret, wait_for)


def test_new_hosts_and_paths(site):
    sluice, pod = site.simple()
    assert sluice.get("/", "new.example").status == 404
    sluice.changed(lambda: site.app("new.example", pod.address))
    assert sluice.get("/", "new.example").status == 200
    sluice.changed(lambda: site.manifests.remove("new.yaml"))
    assert sluice.get("/", "new.example").status == 404


def test_running_connections_see_the_new_routes(site):
    a, b = site.pod("a"), site.pod("b")
    site.app("app.example", a.address)
    sluice = site.sluice(workers=2)
    with sluice.raw() as c:
        assert c.get("/", "app.example").get("x-pod") == "a"
        sluice.changed(lambda: site.app("app.example", b.address))
        assert c.get("/", "app.example").get("x-pod") == "b"


def test_a_running_answer_is_not_cut(site):
    a, b = site.pod("a"), site.pod("b")
    site.app("app.example", a.address)
    sluice = site.sluice()
    with sluice.raw() as c:
        c.send("GET /?size=100&chunk=10&gap=100&id=r HTTP/1.1\r\nHost: app.example\r\n\r\n")
        c.read_until(b"\r\n\r\n")
        sluice.changed(lambda: site.app("app.example", b.address))
        sluice.changed(lambda: site.manifests.remove("app.yaml"))
        assert len(c.read_exactly(100)) == 100


def test_a_tunnel_outlives_its_route(site):
    sluice, pod = site.simple()
    with sluice.raw() as c:
        a = c.get("/ws", "app.example", headers=["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="])
        assert a.status == 101
        sluice.changed(lambda: site.manifests.remove("app.yaml"))
        for _ in range(5):
            assert c.send("still").read_exactly(5) == b"still"


def test_endpoint_change_is_live_within_200_ms(site):
    a, b = site.pod("a"), site.pod("b")
    site.app("app.example", a.address)
    sluice = site.sluice(workers=2, options={"keep-alive-requests": 0})
    times = []
    with sluice.raw() as c:
        for i in range(6):
            target = (b, a)[i % 2]
            start = time.monotonic()
            site.app("app.example", target.address)
            while c.get("/", "app.example").get("x-pod") != target.argv[2]:
                assert time.monotonic() - start < 5
            times.append(time.monotonic() - start)
    print("endpoint change live after ms:", [round(t * 1000) for t in times])
    import harness
    assert sorted(times)[len(times) // 2] < 0.2 * harness.SLOW, times


def test_unchanged_endpoints_keep_their_connections(site):
    a, b = site.pod("a"), site.pod("b")
    site.app("app.example", [a.address])
    sluice = site.sluice()
    with sluice.raw() as c:
        c.get("/", "app.example")
        for i in range(10):
            sluice.changed(lambda: site.app("app.example", [a.address] if i % 2 else [a.address, b.address]))
            c.get("/", "app.example")
            sluice.changed(lambda: site.app(f"other{i}.example", b.address))
            c.get("/", "app.example")
    assert a.stats()["connections"] <= 2, a.stats()


BROKEN = [
    ("yaml", "kind: Ingress\n  bad: [indent\n"), ("binary", b"\x00\x01\x02\xff" * 100), ("half", "apiVersion: v1\nkind: Serv"), ("tabs", "a:\n\t- b\n"),
    ("alias-bomb", "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9))),
]


@pytest.mark.parametrize("name,text", BROKEN, ids=[b[0] for b in BROKEN])
def test_a_broken_file_keeps_its_last_good_form(site, name, text):
    sluice, pod = site.simple()
    site.manifests.text("app.yaml", text)
    wait_for(lambda: "app.yaml" in json.dumps(sluice.config()["report"]), "the file is reported")
    assert sluice.get("/", "app.example").status == 200
    wait_for(lambda: any("unreadable" in n and v >= 1 for (n, _), v in sluice.metrics().items()), "the metric counts it")
    # Mended, it counts again.
    site.app("app.example", pod.address, paths=[("/only", "Prefix")])
    wait_for(lambda: sluice.get("/", "app.example").status == 404 and sluice.get("/only", "app.example").status == 200, "the mended file is live")
    wait_for(lambda: "app.yaml" not in json.dumps([e for e in sluice.config()["report"] if e["object"].startswith("File")]), "no longer reported")


def test_a_broken_file_at_start_hurts_only_itself(site):
    pod = site.pod()
    site.app("app.example", pod.address)
    site.manifests.text("bad.yaml", "kind: [")
    assert site.sluice().get("/", "app.example").status == 200


def test_written_in_pieces(site):
    """A writer that is slow: nothing half-read is served, nothing whole is missed."""
    sluice, pod = site.simple()
    import yaml
    text = yaml.safe_dump_all([ingress("piece", {"piece.example": "piece"}), service("piece"), *slices("piece", [pod.address])])
    with open(site.manifests.root / "piece.yaml", "w") as f:
        for i in range(0, len(text), 20):
            f.write(text[i:i + 20])
            f.flush()
            assert sluice.get("/", "app.example").status == 200
    wait_for(lambda: sluice.get("/", "piece.example").status == 200, "served once whole")


def test_editors_rename_dance(site):
    sluice, pod = site.simple()
    root = site.manifests.root
    for i in range(5):
        os.rename(root / "app.yaml", root / "app.yaml~")
        site.app("app.example", pod.address, paths=[(f"/v{i}", "Prefix")], file=".app.yaml.swp")
        os.rename(root / ".app.yaml.swp", root / "app.yaml")
        os.unlink(root / "app.yaml~")
        wait_for(lambda: sluice.get(f"/v{i}", "app.example").status == 200, f"version {i} is live")


def volume(root, number, files):
    """What the kubelet does with a mounted volume: a new directory, then one rename of the link ..data."""
    new = root / f"..2026_{number}"
    new.mkdir()
    for name, text in files.items():
        (new / name).write_text(text)
    os.symlink(new.name, root / "..data_tmp")
    old = os.readlink(root / "..data") if (root / "..data").is_symlink() else None
    os.rename(root / "..data_tmp", root / "..data")
    for name in files:
        if not (root / name).is_symlink():
            os.symlink(f"..data/{name}", root / name)
    if old:
        shutil.rmtree(root / old)


def test_data_symlink_swaps(site):
    pod = site.pod()
    site.app("app.example", pod.address, tls=[(["app.example"], "app-tls")])
    root = site.manifests.root / "mounted"
    root.mkdir()
    certs = [certificate("app.example", serial=2000 + i) for i in range(4)]
    volume(root, 0, {"secret.json": json.dumps(tls_secret("app-tls", *certs[0]))})
    sluice = site.sluice()
    for i in range(1, 20):
        volume(root, i, {"secret.json": json.dumps(tls_secret("app-tls", *certs[i % 4]))})

        def shown():
            with sluice.tls("app.example") as c:
                return serial_of(c)
        wait_for(lambda: shown() == 2000 + i % 4, f"certificate {i} is live")


def test_options_change_while_running(site):
    sluice, pod = site.simple()
    assert sluice.get("/", "app.example", method="POST", body=b"x" * 2000).status == 200
    sluice.changed(lambda: site.manifests.write("cm.yaml", config_map({"proxy-body-size": "1k"})))
    assert sluice.get("/", "app.example", method="POST", body=b"x" * 2000).status == 413
    sluice.changed(lambda: site.manifests.remove("cm.yaml"))
    assert sluice.get("/", "app.example", method="POST", body=b"x" * 2000).status == 200


def test_flags_are_stronger_than_the_config_map(site):
    pod = site.pod()
    site.app("app.example", pod.address)
    site.manifests.write("cm.yaml", config_map({"proxy-body-size": "1k"}))
    sluice = site.sluice(options={"proxy-body-size": "4k"})
    assert sluice.get("/", "app.example", method="POST", body=b"x" * 2000).status == 200


def test_everything_removed_at_once(site):
    sluice, pod = site.simple()
    sluice.changed(lambda: site.manifests.remove("app.yaml"))
    assert sluice.get("/", "app.example").status == 404


def test_one_worker_serves_while_the_directory_goes(site):
    """An unreadable source keeps its last Model: an empty table cannot happen by accident."""
    sluice, pod = site.simple()
    os.rename(site.manifests.root, str(site.manifests.root) + ".gone")
    for _ in range(20):
        assert sluice.get("/", "app.example").status == 200
    os.rename(str(site.manifests.root) + ".gone", site.manifests.root)
    assert sluice.get("/", "app.example").status == 200


def test_lists_and_json(site):
    pod = site.pod()
    site.manifests.write("all.json", ingress("app", {"app.example": "app"}), service("app"), *slices("app", [pod.address]))
    assert site.sluice().get("/", "app.example").status == 200


def test_other_classes_are_ignored_and_said_so(site):
    pod = site.pod()
    site.app("app.example", pod.address)
    site.manifests.write("other.yaml", ingress("other", {"other.example": "app"}, cls="traefik"), {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}})
    sluice = site.sluice()
    assert sluice.get("/", "other.example").status == 404
    report = sluice.config()["report"]
    assert [e for e in report if e["severity"] == "ignored" and "other" in e["object"]], report


def test_oldest_wins_a_conflict_and_the_loser_is_reported(site):
    old, new = site.pod("old"), site.pod("new")
    site.manifests.write("a.yaml", ingress("newer", {"app.example": "new"}, created="2026-02-01T00:00:00Z"), service("new"), *slices("new", [new.address]))
    site.manifests.write("b.yaml", ingress("older", {"app.example": "old"}, created="2025-01-01T00:00:00Z"), service("old"), *slices("old", [old.address]))
    sluice = site.sluice()
    assert sluice.get("/", "app.example").get("x-pod") == "old"
    assert [e for e in sluice.config()["report"] if "newer" in e["object"]], sluice.config()["report"]
