#!/usr/bin/env python3
"""That the checks can fail: each is run against a forwarder that does nothing of the work, and against Sluice with one
feature taken out of its manifests, and has to say what is missing. And the arithmetic of ratios.py on figures whose answer
is known. SLUICE_BIN names the binary, as for peers.py."""
import pathlib, sys

import checks, lab, ratios
from proxies import PEERS
from scenarios import GROUPS, SCENARIOS

# Of a scenario's manifests: what is taken out, what stands there then, and a word of what the check has to say.
TAKEN_OUT = [
    ("all-on", "rewrite-target: /v2/$2", "rewrite-target: /v3/$2", "rewrite"),
    ("all-on", 'enable-cors: "true"', 'enable-cors: "false"', "CORS"),
    ("all-on", "cors-allow-origin: https://app.example.com", 'cors-allow-origin: "*"', "CORS"),
    ("all-on", ",127.0.0.1/32", ",127.0.0.0/8", "allowlist"),
    ("all-on", "X-Served-By: edge", "X-Served-By: other", "headers"),
    ("all-on", "affinity: cookie", 'service-upstream: "false"', "affinity"),
    ("all-on", 'canary-weight: "10"', 'canary-weight: "50"', "canary"),
    ("all-on", '"host":"$host",', '"host":$host,', "access log"),
    ("auth-cached", "auth-response-headers: X-Auth-User", "auth-response-headers: X-Other", "who it is"),
    ("auth-cached", "auth-cache-key: $http_authorization", "auth-cache-key: $request_id", "questions"),
    ("upload", "proxy-body-size: 8m", "proxy-body-size: 8k", "upload"),
    ("gzip", 'use-gzip: "true"', 'use-gzip: "false"', "gzip"),
    ("brotli", 'enable-brotli: "true"', 'enable-brotli: "false"', "br"),
]


def said(scenario, command):
    """What the check says against such a proxy, or nothing where it is content."""
    open(lab.LOG, "w").close()
    process = lab.start(command, f"{lab.W}/tested.out")
    try:
        assert lab.wait_port(lab.HTTP), "nothing listens"
        scenario.check(scenario.work)
    except checks.Undone as e:
        return str(e)
    except TimeoutError:
        return "no answer in ten seconds"
    finally:
        lab.stop(process)
    return ""


def taken_out(name, old, new):
    scenario = SCENARIOS[name]
    command = PEERS["sluice"].command(scenario.work)
    manifest = pathlib.Path(lab.W) / "manifests/m.yaml"
    text = manifest.read_text()
    assert text.count(old) == 1, f"{name}: {old!r} stands {text.count(old)} times in the manifests"
    manifest.write_text(text.replace(old, new))
    return said(scenario, command)


def arithmetic():
    same = ratios.Ratio([1.0, 1.1, 0.9, 1.05], [1.05, 1.0, 1.0, 1.0])
    assert same.word() == "no difference shown" and same.low < 1 < same.high, str(same)
    # A machine that slows down over the rounds does not blur a ratio that is the same in each of them.
    slowing = ratios.Ratio([5.0, 10.1, 20.0], [10.0, 20.0, 40.1])
    assert slowing.word() == "less" and abs(slowing.value - 0.5) < 0.01 and slowing.high < 0.52, str(slowing)
    assert slowing.against(0.6) == "met" and slowing.against(0.4) == "missed"
    assert same.against(1.0).startswith("not shown")
    one = ratios.Ratio([1.0], [2.0])
    assert one.word() == "no difference shown" and one.against(0.9) == "not shown, by the mean it is met", str(one)
    # Logarithms of 0.5, 0.6, 0.7: mean -0.520, deviation 0.169, t 4.303 → 0.595 (0.391 to 0.904).
    known = ratios.Ratio([0.5, 0.6, 0.7], [1.0, 1.0, 1.0])
    assert [round(x, 2) for x in (known.value, known.low, known.high)] == [0.59, 0.39, 0.90], str(known)
    assert ratios.best({"a": [3.0, 1.0, 2.0], "b": [1.9, 1.8, 9.0]}) == "b"


def main():
    arithmetic()
    lab.build()
    lab.certificate()
    content = []

    def must_say(what, text, word=""):
        print(f"{what}: {text[:140] or 'CONTENT'}", flush=True)
        if not text or word not in text:
            content.append(what)

    with lab.Pods():
        for name in GROUPS["everything-on"]:
            pod = lab.port_of(SCENARIOS[name].work.pod)
            must_say(f"{name}, forwarder", said(SCENARIOS[name], [f"{lab.BUILD}/floor", str(lab.HTTP), str(pod)]))
        for name, old, new, word in TAKEN_OUT:
            must_say(f"{name}, {new}", taken_out(name, old, new), word)
    if content:
        sys.exit(f"the checks do not notice: {'; '.join(content)}")
    print("the checks refuse who does not do the work")


if __name__ == "__main__":
    main()
