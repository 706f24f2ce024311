#!/usr/bin/env python3
"""1,000 good Ingresses and 30 kinds of broken ones in the same directory: 1,000 served, 30 reported, at start and when they arrive later."""
import json

from common import harness, main

I = "networking.k8s.io/v1"


def obj(name, spec, **meta):
    return {"apiVersion": I, "kind": "Ingress", "metadata": {"name": name, **meta}, "spec": {"ingressClassName": "nginx", **spec}}


def rule(host="b.example", path="/", kind="Prefix", backend=None):
    return {"rules": [{"host": host, "http": {"paths": [{"path": path, "pathType": kind, "backend": backend or {"service": {"name": "good0", "port": {"number": 80}}}}]}}]}


def annotated(name, key, value):
    return obj(name, rule(host=f"{name}.example"), annotations={"nginx.ingress.kubernetes.io/" + key: value})


TEXTS = {
    "file-yaml-syntax": "kind: Ingress\n  metadata: [",
    "file-binary": "\x00\x01\x02\x03" * 50,
    "file-cut": "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: \"cut",
    "file-tabs": "apiVersion: networking.k8s.io/v1\n\tkind: Ingress\n",
}
OBJECTS = {
    "no-name": {"apiVersion": I, "kind": "Ingress", "metadata": {}, "spec": {"ingressClassName": "nginx", **rule()}},
    "spec-is-text": {"apiVersion": I, "kind": "Ingress", "metadata": {"name": "spec-is-text"}, "spec": "text"},
    "rules-is-map": obj("rules-is-map", {"rules": {"host": "b.example"}}),
    "host-number": obj("host-number", rule(host=42)),
    "host-space": obj("host-space", rule(host="a b.example")),
    "host-port": obj("host-port", rule(host="b.example:80")),
    "host-star-inside": obj("host-star-inside", rule(host="a.*.example")),
    "host-bare-star": obj("host-bare-star", rule(host="*.")),
    "host-slash": obj("host-slash", rule(host="b.example/x")),
    "path-relative": obj("path-relative", rule(host="pr.example", path="relative")),
    "path-type": obj("path-type", rule(host="pt.example", kind="Fuzzy")),
    "path-control": obj("path-control", rule(host="pc.example", path="/a\nb")),
    "backend-missing": obj("backend-missing", {"rules": [{"host": "bm.example", "http": {"paths": [{"path": "/", "pathType": "Prefix"}]}}]}),
    "backend-no-port": obj("backend-no-port", rule(host="bn.example", backend={"service": {"name": "good0"}})),
    "backend-bad-port": obj("backend-bad-port", rule(host="bp.example", backend={"service": {"name": "good0", "port": {"number": 99999}}})),
    "backend-named-port": obj("backend-named-port", rule(host="bnp.example", backend={"service": {"name": "good0", "port": {"name": "nope"}}})),
    "service-missing": obj("service-missing", rule(host="sm.example", backend={"service": {"name": "does-not-exist", "port": {"number": 80}}})),
    "backend-resource": obj("backend-resource", rule(host="br.example", backend={"resource": {"kind": "Bucket", "name": "b", "apiGroup": "x"}})),
    "tls-missing-secret": obj("tls-missing-secret", {**rule(host="tm.example"), "tls": [{"hosts": ["tm.example"], "secretName": "not-there"}]}),
    "class-unknown-field": obj("api-version", rule(host="av.example")) | {"apiVersion": "networking.k8s.io/v7"},
    "annotation-bool": annotated("annotation-bool", "ssl-redirect", "perhaps"),
    "annotation-size": annotated("annotation-size", "proxy-body-size", "many"),
    "annotation-timeout": annotated("annotation-timeout", "proxy-read-timeout", "10 parsecs"),
    "annotation-protocol": annotated("annotation-protocol", "backend-protocol", "CARRIER-PIGEON"),
    "annotation-redirect": annotated("annotation-redirect", "permanent-redirect", "javascript:alert(1)"),
    "annotation-unknown": annotated("annotation-unknown", "no-such-thing", "x"),
}


def body(run):
    good = run.pick(200, 1000)
    site = run.site
    pod = site.pod("pod", "--forget-ids")
    m = site.manifests
    for at in range(0, good, 100):
        objects = []
        for i in range(at, at + 100):
            objects += [harness.ingress(f"good{i}", {f"g{i}.example": f"good{i}"}), harness.service(f"good{i}"), harness.endpoint_slice(f"good{i}", [pod.address])]
        m.write(f"good{at}.json", *objects)

    def write_broken():
        for name, text in TEXTS.items():
            m.text(f"broken-{name}.yaml", text)
        for name, o in OBJECTS.items():
            m.text(f"broken-{name}.json", json.dumps(o))

    def served(s):
        with s.raw() as c:
            return sum(c.get("/?size=5", f"g{i}.example").status == 200 for i in range(good))

    def reported(s):
        report = s.config()["report"]
        kinds = list(TEXTS) + list(OBJECTS)
        return [k for k in kinds if any(f"broken-{k}." in e["file"] or f"broken-{k}." in e["object"] for e in report)], kinds

    options = {"keep-alive-requests": 0}
    write_broken()
    s = run.sluice(options=options)
    first, (seen, kinds) = served(s), reported(s)
    run.expect(first == good, f"at start: {first} of {good} served")
    run.expect(len(seen) == len(kinds), f"at start, not reported: {sorted(set(kinds) - set(seen))}")
    s.stop()
    for path in m.root.glob("broken-*"):
        path.unlink()
    s = site.sluice(options=options, access_log="off")
    load = site.tool("load", "--connect", s.http, *sum([["--host", f"g{i}.example"] for i in range(0, good, 7)], []), "-c", 8, "-d", 600, "--per-connection", 900)
    load.wait_done(100)
    write_broken()
    harness.wait_for(lambda: len(reported(s)[0]) == len(kinds), "all kinds are reported", 10)
    second = served(s)
    r = load.result(60, stop=True)
    run.load_result(r)
    run.expect(second == good, f"later: {second} of {good} served")
    run.figure(good=good, kinds=len(kinds), served_at_start=first, served_later=second, reported_at_start=len(seen), reported_later=len(reported(s)[0]), requests=r["ok"],
               failed=r["failed"])


if __name__ == "__main__":
    main("broken", body)
