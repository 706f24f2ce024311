"""Which Ingresses are ours: by namespace, by the labels of namespaces, by class, by the prefix of their annotations."""
import json
import subprocess

import pytest
from cluster import SLUICE, Cluster, Pod, Sluice, ingress, service
from harness import wait_for
from test_secrets import READS
from test_webhook import PATH, flags, review

NAMESPACES = {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["list", "watch"]}


def namespace(name, **labels):
    return json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}) + "\n---\n"


@pytest.fixture
def three(cluster, ns, pods):
    """Namespaces with an Ingress and a Service each: team a, team b, no team."""
    pod = pods()
    names = {team: f"{ns[:40]}-{team}" for team in ("a", "b", "none")}
    for team, name in names.items():
        cluster.apply(namespace(name, **({"team": team} if team != "none" else {})) + service("app", [pod.port], name) + "---\n" +
                      ingress("app", f"{name}.example.com", ns=name))
    return names


def test_the_labels_of_namespaces_are_followed(cluster, ns, three, tmp_path):
    host = {team: f"{name}.example.com" for team, name in three.items()}
    account = cluster.account(ns, "reader", [*READS, NAMESPACES], tmp_path / "kubeconfig")
    with Sluice(cluster, "--watch-namespace-selector", "team in (a,c),!closed", "--update-status", "false", kubeconfig=account) as s:
        assert [s.ask(host=host[t])[0] for t in ("a", "b", "none")] == [200, 404, 404]
        cluster.kubectl("label", "namespace", three["b"], "team=c", "--overwrite")
        s.until("the namespace that is taken now", host=host["b"])
        cluster.kubectl("label", "namespace", three["a"], "closed=yes")
        s.until("the namespace that is no longer taken", host=host["a"], status=404)
        # Changes while it was not taken count when it is taken again.
        cluster.kubectl("delete", "ingress", "app", "-n", three["a"])
        cluster.apply(ingress("new", f"new.{host['a']}", ns=three["a"]) + "---\n" + ingress("also", host["none"], ns=three["b"]))
        s.until("an Ingress of a namespace that is taken", host=host["none"])
        assert s.ask(host=f"new.{host['a']}")[0] == 404
        cluster.kubectl("label", "namespace", three["a"], "closed-")
        s.until("the namespace that is taken again", host=f"new.{host['a']}")
        assert s.ask(host=host["a"])[0] == 404
        # What was served from the one goes to the next when its namespace is left.
        cluster.kubectl("label", "namespace", three["none"], "team=a")
        s.process.wait_line(f"PathConflict.*{host['none']}", stream="err")
        cluster.kubectl("label", "namespace", three["b"], "team-")
        s.until("the namespace that is left", host=host["b"], status=404)
        assert s.ask(host=host["none"])[0] == 200
        cluster.kubectl("delete", "namespace", three["none"], "--wait=false")


def test_without_the_right_to_namespaces_it_says_so(cluster, ns, three, tmp_path):
    account = cluster.account(ns, "reader", READS, tmp_path / "kubeconfig")
    s = Sluice(cluster, "--watch-namespace-selector", "team=a", "--update-status", "false", kubeconfig=account, wait=False)
    try:
        said = s.process.wait_line(r': 403 .*cannot (list|watch) resource \\?"namespaces', stream="err").string
        assert "nothing is served before it succeeds" in said
    finally:
        s.process.stop()


@pytest.mark.parametrize("scope", ["--watch-namespace", "--watch-namespace-selector"])
def test_the_webhook_judges_no_namespace_that_is_not_served(cluster, three, pki, scope):  # noqa: F811
    host = f"{three['a']}.example.com"
    with Sluice(cluster, scope, three["a"] if scope == "--watch-namespace" else "team=a", "--update-status", "false", *flags(pki)) as s:
        port = int(s.process.wait_line(r"^listening webhook \S+:(\d+)")[1])

        def allowed(ns):
            r = subprocess.run(cluster.inside("curl", "-sk", "-m", "10", "-H", "Content-Type: application/json", "-d", json.dumps(review("thief", host, ns=ns)),
                                              f"https://127.0.0.1:{port}{PATH}"), capture_output=True, text=True, timeout=20)
            return json.loads(r.stdout)["response"]["allowed"]

        assert not allowed(three["a"])
        assert allowed(three["b"])


def refused(*args):
    r = subprocess.run([SLUICE, "serve", "--http", "127.0.0.1:0", *args], capture_output=True, text=True, timeout=20)
    assert r.returncode == 2
    return r.stderr


def test_flags_that_cannot_be(cluster, tmp_path):
    config = ["--kubeconfig", cluster.kubeconfig]
    assert "--watch-namespace x and --watch-namespace-selector team=a: expected one of them" in refused(
        *config, "--watch-namespace", "x", "--watch-namespace-selector", "team=a")
    assert "a directory has no Namespaces" in refused("--manifests", tmp_path, "--watch-namespace-selector", "team=a")


@pytest.mark.parametrize("selector", ["team=a", "team in (a,,b)", "!a", "a>1", "x.org/y notin (z)", "a=,b!=c", "team=a,", "=a", "a b", "a in b", "a>b", "a=b_",
                                      "A.b/c=d", "-a", "a in (b", "!a=b", "a=b c"])
def test_selectors_are_taken_as_the_server_takes_them(cluster, selector):
    server = cluster.kubectl("get", "--raw", "/api/v1/namespaces?limit=1&labelSelector=" + "".join(f"%{b:02X}" for b in selector.encode()), check=False)
    said = "" if server.startswith("{") else refused("--kubeconfig", cluster.kubeconfig, "--watch-namespace", "x", "--watch-namespace-selector", selector)
    if said:  # both are wrong: the selector is what is named when it is alone
        said = refused("--kubeconfig", cluster.kubeconfig, "--watch-namespace-selector", selector)
        assert f"--watch-namespace-selector {selector}: expected" in said
    else:
        assert "expected one of them" in refused("--kubeconfig", cluster.kubeconfig, "--watch-namespace", "x", "--watch-namespace-selector", selector)


def without_class(name, host, ns, annotations=None):
    return ingress(name, host, ns=ns, annotations=annotations).replace("  ingressClassName: nginx\n", "")


def test_classes():
    """In a cluster of its own: a default class is everybody's."""
    c = Cluster()
    pod = Pod(c)
    try:
        classes = {"own": ("sluice.dev/ingress-controller", "true"), "other": ("example.com/controller", "false"), "nginx": ("k8s.io/ingress-nginx", "false")}

        def apply_class(name, controller, default):
            c.apply(json.dumps({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass",
                                "metadata": {"name": name, "annotations": {"ingressclass.kubernetes.io/is-default-class": default}}, "spec": {"controller": controller}}))

        apply_class("other", *classes["other"])
        old = {"kubernetes.io/ingress.class": "nginx"}
        c.apply(service("app", [pod.port]) + "---\n" + "---\n".join([
            ingress("named", "named.example.com"), ingress("foreign", "foreign.example.com", class_name="other"), ingress("own", "own.example.com", class_name="own"),
            without_class("annotated", "annotated.example.com", "default", old), without_class("none", "none.example.com", "default")]))
        ask = lambda s: {h: s.ask(host=f"{h}.example.com")[0] for h in ("named", "foreign", "own", "annotated", "none")}
        by_name = {"named": 200, "foreign": 404, "own": 404, "annotated": 200, "none": 404}
        with Sluice(c, "--update-status", "false") as s:
            assert ask(s) == by_name  # without an IngressClass of ours, by name
            apply_class("own", classes["own"][0], "false")
            wait_for(lambda: ask(s) == by_name | {"own": 200}, "the class that is there now")
            apply_class("own", *classes["own"])
            wait_for(lambda: ask(s) == by_name | {"own": 200, "none": 200}, "the default class")
            apply_class("nginx", "example.com/controller", "false")
            wait_for(lambda: ask(s)["named"] == 404, "a name that another controller has")
            c.kubectl("delete", "ingressclass", "own", "nginx")
            wait_for(lambda: ask(s) == by_name, "the classes that are gone")
            report = s.config()["report"]
            assert any(p["object"] == "Ingress default/foreign" and p["reason"] == "OtherClass" for p in report)
        with Sluice(c, "--update-status", "false", "--watch-ingress-without-class") as s:
            assert ask(s) == by_name | {"none": 200}
        with Sluice(c, "--update-status", "false", "--ingress-class", "own") as s:
            assert ask(s) == {"named": 404, "foreign": 404, "own": 200, "annotated": 404, "none": 404}
        with Sluice(c, "--update-status", "false", "--controller-class", "example.com/controller") as s:
            assert ask(s) == by_name | {"foreign": 200}
    finally:
        pod.stop()
        c.stop()


def test_the_prefix_of_annotations(cluster, ns, pods):
    moved = lambda prefix, to: {f"{prefix}/permanent-redirect": f"https://{to}.example.com/"}
    cluster.apply(service("app", [pods().port], ns) + "---\n" + ingress("app", f"{ns}.example.com", ns=ns, annotations=moved("nginx.ingress.kubernetes.io", "first") |
                                                                        moved("sluice.example.org", "second")))

    def location(s):
        r = subprocess.run(cluster.inside("curl", "-sI", "-m", "10", "-H", f"Host: {ns}.example.com", f"http://127.0.0.1:{s.port['http']}/"), capture_output=True, text=True)
        return [line.split(": ")[1] for line in r.stdout.splitlines() if line.lower().startswith("location:")][0]

    with Sluice(cluster, "--watch-namespace", ns, "--update-status", "false") as s:
        assert location(s) == "https://first.example.com/"
    with Sluice(cluster, "--watch-namespace", ns, "--update-status", "false", "--annotations-prefix", "sluice.example.org") as s:
        assert location(s) == "https://second.example.com/"
        cluster.kubectl("annotate", "ingress", "app", "-n", ns, "sluice.example.org/permanent-redirect=https://third.example.com/", "--overwrite")
        wait_for(lambda: location(s) == "https://third.example.com/", "the changed annotation")


def test_check_reads_a_cluster_and_writes_nothing(cluster, ns, pods, tmp_path):
    pod = pods()
    host = f"{ns}.example.com"
    cluster.apply(service("app", [pod.port], ns) + "---\n" + ingress("app", host, ns=ns, annotations={"nginx.ingress.kubernetes.io/no-such-annotation": "x"}))
    account = cluster.account(ns, "reader", READS, tmp_path / "kubeconfig")

    def check(*args):
        r = subprocess.run(cluster.inside(SLUICE, "check", "--kubeconfig", account, "--watch-namespace", ns, *args), capture_output=True, text=True, timeout=60)
        return r.returncode, r.stdout, r.stderr
    code, out, err = check()
    assert code == 0 and host in out and "no-such-annotation" in out, (code, out, err)
    assert check("--strict")[0] == 1
    assert cluster.get("ingress", "app", ns).get("status", {}).get("loadBalancer", {}) == {}
    assert cluster.kubectl("get", "lease", "-n", ns, "-o", "name").strip() == ""
