"""Ten thousand Ingresses: load time and the cost of a change. Figures are printed; limits are for the release build."""
import json
import os
import time

import pytest

from harness import endpoint_slice, ingress, service, wait_for

pytestmark = pytest.mark.alone

BUILD = os.environ.get("SLUICE", "")
FACTOR = 1 if "release" in BUILD else 6  # unoptimised or sanitised builds


def fill(site, count, address, kind):
    step = 500
    for at in range(0, count, step):
        objects = []
        for i in range(at, min(at + step, count)):
            objects += [ingress(f"app{i}", {f"h{i}.example": f"s{i}"}), service(f"s{i}"), endpoint_slice(f"s{i}", [address])]
        site.manifests.write(f"part{at:05}.{kind}", *objects)


@pytest.mark.parametrize("count,kind,limit", [(10000, "json", 2.0), (2000, "yaml", 1.4)])
def test_load_time(site, count, kind, limit):
    pod = site.pod()
    fill(site, count, pod.address, kind)
    start = time.monotonic()
    sluice = site.sluice(workers=1)
    seconds = time.monotonic() - start
    print(f"{count} Ingresses and Services from {kind}: ready after {seconds:.2f} s, resident {sluice.rss_kb() >> 10} MiB")
    assert sluice.get("/", f"h{count - 1}.example").status == 200
    assert sluice.get("/", "h0.example").status == 200
    assert seconds < limit * FACTOR, seconds
    # One endpoint changes: live without reading the rest again.
    other = site.pod("other")
    site.manifests.write("extra.json", ingress("extra", {"extra.example": "extra"}), service("extra"), endpoint_slice("extra", [pod.address]))
    wait_for(lambda: sluice.get("/", "extra.example").status == 200, "the new host is live")
    reads = sum(v for (n, _), v in sluice.metrics().items() if "file" in n and "read" in n and "unread" not in n)
    times = []
    for i in range(6):
        target, name = ((other, "other"), (pod, "pod"))[i % 2]
        begin = time.monotonic()
        site.manifests.write("extra.json", ingress("extra", {"extra.example": "extra"}), service("extra"), endpoint_slice("extra", [target.address]))
        while sluice.get("/", "extra.example").get("x-pod") != name:
            assert time.monotonic() - begin < 10
        times.append(time.monotonic() - begin)
    print("one endpoint changed among", count, "live after ms:", [round(t * 1000) for t in times])
    assert sorted(times)[len(times) // 2] < 0.2 * FACTOR, times
    after = sum(v for (n, _), v in sluice.metrics().items() if "file" in n and "read" in n and "unread" not in n)
    assert after - reads <= 12, "the rest was read again"


@pytest.mark.skipif("release" not in BUILD, reason="sanitizers and unoptimised builds need more memory")
def test_memory_of_ten_thousand_ingresses_in_one_file(site):
    """Three paths each, one YAML file: resident at its highest until all is served, at most 80 MB."""
    pod = site.pod()
    site.manifests.write("app.json", service("app"), endpoint_slice("app", [pod.address]))
    paths = [(path, "Prefix", "app", 80) for path in ("/api/users", "/api", "/")]
    # JSON is YAML in flow style, and quick to write.
    text = "\n---\n".join(json.dumps(ingress(f"h{i}", {f"h{i}.example": paths})) for i in range(10_000))
    assert len(text) > 5_000_000
    site.manifests.text("all.yaml", text)
    sluice = site.sluice(workers=1)
    for i in range(0, 10_000, 250):
        assert sluice.get("/api/users/1", f"h{i}.example").status == 200
    highest = sluice.rss_kb(peak=True)
    print(f"10,000 Ingresses in one file of {len(text) / 1e6:.1f} MB: at most {highest / 1000:.1f} MB resident")
    assert highest < 80_000, f"{highest} KB"
