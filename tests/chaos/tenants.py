#!/usr/bin/env python3
"""Two tenants with distinct payloads through one worker: 0 foreign bytes in 1,000,000 exchanges."""
from common import harness, main


def body(run):
    count = run.args.count or run.pick(10_000, 1_000_000)
    site = run.site
    pods = [site.pod(f"t{i}", "--small-buffers", "--forget-ids") for i in range(2)]
    for i, p in enumerate(pods):
        site.app(f"t{i}.example", p.address)
    s = run.sluice(workers=1)
    at, total = 0, {}
    while at < count:
        n = min(100_000, count - at)
        r = harness.run_tool("tenants", "--connect", s.http, "--exchanges", n, "--seed", at + 1, timeout=3600)
        for k, v in r.items():
            if isinstance(v, int) and not isinstance(v, bool):
                total[k] = total.get(k, 0) + v
        run.expect(r["good"], f"{r}")
        at += n
        run.say(f"{at} of {count}")
    bad = sum(p.stats()["bad_bodies"] for p in pods)
    run.expect(bad == 0, f"{bad} request bodies with bytes that are not their own")
    run.figure(**total, bad_request_bodies=bad, rss_kb=s.rss_kb())


if __name__ == "__main__":
    main("tenants", body, count=0)
