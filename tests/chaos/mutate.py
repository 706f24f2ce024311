#!/usr/bin/env python3
"""1,000,000 mutated requests: every byte that reaches the pod parses strictly, each accepted request arrives exactly once, the proxy lives."""
from common import harness, main


def body(run):
    count = run.args.count or run.pick(20_000, 1_000_000)
    site = run.site
    total = {"count": 0, "accepted": 0, "refused": 0, "violations": 0, "answered_twice": 0, "unanswered": 0, "more_than_strict": 0, "other_ids": 0, "gateway_errors": 0}
    pod = site.pod()
    site.app("app.example", pod.address)
    s = run.sluice(workers=2)
    block, at = 50_000, 0
    while at < count:
        n = min(block, count - at)
        r = harness.run_tool("mutate", "--connect", s.http, "--control", pod.control, "--count", n, "--first", at, "--seed", run.args.seed, "--threads", 8, timeout=3600)
        for k in total:
            total[k] += r[k]
        run.expect(r["good"], f"cases {at}..{at + n}: { {k: v for k, v in r.items() if k not in ('samples', 'first_status')} } {r['samples'][:3]}")
        if not r["proxy_alive"]:
            break
        at += n
        run.say(f"{at} of {count}")
    run.figure(**total, rss_kb=s.rss_kb())


if __name__ == "__main__":
    main("mutate", body, count=0, seed=1)
