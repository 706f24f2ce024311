"""What is written back: status, Events, and the Lease that says who writes."""
import json
import signal
import time

import pytest
from cluster import Sluice, ingress, service
from harness import wait_for


def addresses(cluster, ns, name="app"):
    found = cluster.get("ingress", name, ns).get("status", {}).get("loadBalancer", {}).get("ingress", [])
    return [a.get("ip") or a.get("hostname") for a in found]


def holder(cluster, lease):
    out = cluster.kubectl("get", "lease", lease, "-n", "default", "-o", "json", check=False)
    return json.loads(out)["spec"].get("holderIdentity", "") if out else ""


@pytest.fixture
def lease(ns):
    return ns[-60:].strip("-")


def app(cluster, ns, pods):
    cluster.apply(service("app", [pods().port], ns) + "---\n" + ingress("app", f"{ns}.example.com", ns=ns))


def test_fixed_addresses_in_status_and_out_again(cluster, ns, pods, lease):
    app(cluster, ns, pods)
    with Sluice(cluster, "--election-id", lease, "--publish-status-address", "192.0.2.7,lb.example.net") as s:
        wait_for(lambda: addresses(cluster, ns) == ["192.0.2.7", "lb.example.net"], "the addresses in the status")
        version = cluster.get("ingress", "app", ns)["metadata"]["resourceVersion"]
        cluster.kubectl("annotate", "ingress", "app", "-n", ns, "a=b")
        cluster.apply(ingress("late", f"late.{ns}.example.com", ns=ns))
        wait_for(lambda: addresses(cluster, ns, "late"), "the status of a later one")
        patch = json.dumps({"status": {"loadBalancer": {"ingress": [{"ip": "198.51.100.1"}]}}})
        cluster.kubectl("patch", "ingress", "app", "-n", ns, "--subresource=status", "--type=merge", "-p", patch)
        wait_for(lambda: addresses(cluster, ns) == ["192.0.2.7", "lb.example.net"], "a foreign address to be replaced")
        assert cluster.get("ingress", "app", ns)["metadata"]["resourceVersion"] != version
        settled = cluster.get("ingress", "app", ns)["metadata"]["resourceVersion"]
        s.until("the late one to be served", host=f"late.{ns}.example.com")
        wait_for(lambda: s.metric("sluice_api_writes_total", "status") >= 3, "the metrics to show it")
        assert cluster.get("ingress", "app", ns)["metadata"]["resourceVersion"] == settled  # nothing differs: nothing is written
    assert addresses(cluster, ns) == [] and addresses(cluster, ns, "late") == []
    assert holder(cluster, lease) == ""  # let go of


def test_the_publish_service_is_followed(cluster, ns, pods, lease):
    app(cluster, ns, pods)
    lb = f"""apiVersion: v1
kind: Service
metadata: {{name: front, namespace: {ns}}}
spec: {{type: LoadBalancer, ports: [{{name: http, port: 80}}]}}
"""
    cluster.apply(lb)

    def load_balancer(*ips):
        patch = json.dumps({"status": {"loadBalancer": {"ingress": [{"ip": ip} for ip in ips]}}})
        cluster.kubectl("patch", "service", "front", "-n", ns, "--subresource=status", "--type=merge", "-p", patch)

    load_balancer("203.0.113.9")
    with Sluice(cluster, "--election-id", lease, "--publish-service", f"{ns}/front", "--update-status-on-shutdown", "false"):
        wait_for(lambda: addresses(cluster, ns) == ["203.0.113.9"], "the address of the Service")
        load_balancer("203.0.113.9", "203.0.113.4")
        wait_for(lambda: addresses(cluster, ns) == ["203.0.113.4", "203.0.113.9"], "its second address")
    assert addresses(cluster, ns) == ["203.0.113.4", "203.0.113.9"]


def test_without_update_status_nothing_is_written(cluster, ns, pods, lease):
    app(cluster, ns, pods)
    cluster.apply(ingress("broken", f"broken.{ns}.example.com", ns=ns, service_name="nobody"))
    before = cluster.get("ingress", "app", ns)["metadata"]["resourceVersion"]
    with Sluice(cluster, "--election-id", lease, "--publish-status-address", "192.0.2.7", "--update-status", "false") as s:
        cluster.apply(ingress("more", f"more.{ns}.example.com", ns=ns))
        s.until("the change to be served", host=f"more.{ns}.example.com")
    assert cluster.get("ingress", "app", ns)["metadata"]["resourceVersion"] == before
    assert holder(cluster, lease) == ""
    events = json.loads(cluster.kubectl("get", "events", "-n", ns, "-o", "json"))["items"]
    assert not [e for e in events if e["involvedObject"]["kind"] == "Ingress"]  # the API server may have some of Services


def test_problems_become_events_once(cluster, ns, pods, lease):
    app(cluster, ns, pods)
    host = f"{ns}.example.com"
    with Sluice(cluster, "--election-id", lease) as s:
        cluster.apply(ingress("a-thief", host, ns=ns))  # the younger one by its name too, should they be of one second

        def events():
            items = json.loads(cluster.kubectl("get", "events", "-n", ns, "-o", "json"))["items"]
            return [e for e in items if e["involvedObject"]["name"] == "a-thief" and e["reason"] == "PathConflict"]

        wait_for(events, "an Event of the refusal")
        event = events()[0]
        assert event["type"] == "Warning" and f"it belongs to Ingress {ns}/app" in event["message"] and "which is older" in event["message"]
        uid = cluster.get("ingress", "a-thief", ns)["metadata"]["uid"]
        assert event["involvedObject"]["uid"] == uid and event["source"]["component"] == "sluice"
        # kubectl finds it where users look.
        assert "PathConflict" in cluster.kubectl("describe", "ingress", "a-thief", "-n", ns)
    with Sluice(cluster, "--election-id", lease) as s:
        s.process.wait_line("this replica writes", stream="err")
        cluster.apply(ingress("other", f"other.{host}", service_name="none", ns=ns))
        wait_for(lambda: "other" in cluster.kubectl("get", "events", "-n", ns), "another Event")
        assert len(events()) == 1


def test_a_status_that_cannot_be_written_holds_up_no_other(cluster, ns, pods, lease):
    """A policy of the cluster refuses it, for one Ingress."""
    app(cluster, ns, pods)
    cluster.apply(ingress("a-refused", f"refused.{ns}.example.com", ns=ns))
    rule = {"apiGroups": ["networking.k8s.io"], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["ingresses/status"]}
    group, kind = "admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy"
    policy = {"apiVersion": group, "kind": kind, "metadata": {"name": ns}, "spec": {"matchConstraints": {"resourceRules": [rule]}, "validations": [
        {"expression": f"object.metadata.namespace != '{ns}' || object.metadata.name != 'a-refused'", "message": "not this one"}]}}
    binding = {"apiVersion": group, "kind": kind + "Binding", "metadata": {"name": ns}, "spec": {"policyName": ns, "validationActions": ["Deny"]}}
    cluster.apply(json.dumps(policy) + "\n---\n" + json.dumps(binding))
    touch = ["patch", "ingress", "a-refused", "-n", ns, "--subresource=status", "--type=merge", "-p", '{"metadata": {"annotations": {"a": "b"}}}', "--dry-run=server"]
    wait_for(lambda: not cluster.kubectl(*touch, check=False), "the policy to count", 30)
    with Sluice(cluster, "--election-id", lease, "--publish-status-address", "192.0.2.7") as s:
        wait_for(lambda: addresses(cluster, ns) == ["192.0.2.7"], "the address of another one")
        assert "a-refused" in s.process.wait_line("not this one.*written later", stream="err").string
        wait_for(lambda: s.metric("sluice_api_write_failures_total", "status"), "the metrics to show it")
        cluster.kubectl("delete", "validatingadmissionpolicybinding", ns)
        wait_for(lambda: addresses(cluster, ns, "a-refused") == ["192.0.2.7"], "its own, once it may be", 20)


def test_a_namespace_that_is_being_removed_holds_up_no_event(cluster, ns, lease):
    """Nothing can be made there: its Ingresses are, and stay, without an Event."""
    going = "a-" + ns
    cluster.apply(f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {going}}}\n")
    cluster.apply(ingress("broken", f"{going}.example.com", service_name="none", ns=going) + "---\n" + ingress("broken", f"{ns}.example.com", service_name="none", ns=ns))
    cluster.kubectl("delete", "namespace", going, "--wait=false")  # without its controller it never ends
    with Sluice(cluster, "--election-id", lease) as s:
        s.process.wait_line(f"POST .*{going}/events: 403.*Events are written later", stream="err")
        wait_for(lambda: "broken" in cluster.kubectl("get", "events", "-n", ns), "the Event of another namespace")
        wait_for(lambda: s.metric("sluice_api_writes_total", "event") and s.metric("sluice_api_write_failures_total", "event"), "the metrics to show it")


def test_one_of_two_writes_and_the_other_takes_over(cluster, ns, pods, lease):
    app(cluster, ns, pods)
    with Sluice(cluster, "--election-id", lease, "--publish-status-address", "192.0.2.1") as first:
        first.process.wait_line("this replica writes", stream="err")
        with Sluice(cluster, "--election-id", lease, "--publish-status-address", "192.0.2.2") as second:
            wait_for(lambda: addresses(cluster, ns) == ["192.0.2.1"], "the leader's address")
            # Frozen as a virtual machine would be: the other one takes over within 15 s.
            begun = time.monotonic()
            first.process.proc.send_signal(signal.SIGSTOP)
            second.process.wait_line("this replica writes", stream="err", seconds=20)
            took = time.monotonic() - begun
            assert took <= 15, took
            wait_for(lambda: addresses(cluster, ns) == ["192.0.2.2"], "the new leader's address")
            first.process.proc.send_signal(signal.SIGCONT)
            first.process.wait_line("it writes", stream="err")
            # Thawed, it sees a change that it would answer as a leader, and keeps still.
            cluster.kubectl("annotate", "ingress", "app", "-n", ns, "thawed=yes")
            cluster.apply(ingress("late", f"late.{ns}.example.com", ns=ns))
            wait_for(lambda: addresses(cluster, ns, "late"), "the status of a later one")
            metric = f'nginx_ingress_controller_leader_election_status{{name="{lease}",'
            wait_for(lambda: [line.split()[-1] for s in (first, second) for line in cluster.request(s.port["admin"], "/metrics")[1].splitlines()
                              if line.startswith(metric)] == ["0", "1"], "the metric")
            assert addresses(cluster, ns, "late") == ["192.0.2.2"] and addresses(cluster, ns) == ["192.0.2.2"]
            version = cluster.get("ingress", "app", ns)["metadata"]["resourceVersion"]
        # The second ended in good order: the first need not wait for the Lease to end.
        begun = time.monotonic()
        wait_for(lambda: addresses(cluster, ns) == ["192.0.2.1"], "the first one to write again")
        assert time.monotonic() - begun < 5 and version


def test_two_that_want_different_addresses_come_to_rest(cluster, ns, pods, lease):
    """Two releases that serve one class: each says who is to be silent, and neither wears the API server out."""
    app(cluster, ns, pods)

    def writes():
        text = cluster.kubectl("get", "--raw", "/metrics")
        return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith("apiserver_request_total{") and all(
            label in line for label in ('code="200"', 'resource="ingresses"', 'subresource="status"', 'verb="PATCH"')))

    before, begun = writes(), time.monotonic()
    flags = ["--watch-namespace", ns, "--update-status-on-shutdown", "false"]
    with Sluice(cluster, *flags, "--election-id", lease, "--publish-status-address", "192.0.2.1") as one:
        with Sluice(cluster, *flags, "--election-id", lease[:50] + "-b", "--publish-status-address", "192.0.2.2") as other:
            for s in (one, other):
                s.process.wait_line("Ingress .*/app: somebody else wrote .192.0.2.*--update-status=false", stream="err")
            wait_for(lambda: writes() - before >= 20, "both to have written what they may in a row")
            # Meanwhile others have their status as ever.
            cluster.apply(ingress("late", f"late.{ns}.example.com", ns=ns))
            wait_for(lambda: addresses(cluster, ns, "late"), "the status of a later one")
    assert writes() - before <= 2 * 20 + 2 * (time.monotonic() - begun) / 30


def test_it_ends_in_the_middle_of_its_writing(cluster, ns, pods, lease):
    """Whatever is under way has its end before the addresses are taken out and the Lease is let go of."""
    cluster.apply(service("app", [pods().port], ns) + "---\n" + "---\n".join(ingress(f"i{n}", f"i{n}.{ns}.example.com", ns=ns) for n in range(60)))
    for round_ in range(4):
        with Sluice(cluster, "--watch-namespace", ns, "--election-id", lease, "--publish-status-address", f"192.0.2.{round_}", "--status-annotation") as s:
            s.process.wait_line("this replica writes", stream="err")
            wait_for(lambda: addresses(cluster, ns, "i0"), "the first address")
            cluster.kubectl("annotate", "ingress", "--all", "-n", ns, f"round={round_}", "--overwrite")
        assert holder(cluster, lease) == "" and not [line for line in s.process.err if "addresses" in line or "somebody else" in line]
        assert {json.dumps(i["status"].get("loadBalancer", {})) for i in json.loads(cluster.kubectl("get", "ingress", "-n", ns, "-o", "json"))["items"]} == {"{}"}


def test_without_the_right_to_a_lease_it_serves_and_says_so(cluster, ns, pods, lease, tmp_path):
    from test_secrets import READS

    app(cluster, ns, pods)
    account = cluster.account(ns, "reader", READS, tmp_path / "kubeconfig")
    with Sluice(cluster, "--election-id", lease, "--publish-status-address", "192.0.2.1", kubeconfig=account) as s:
        said = s.process.wait_line(": 403 .*leases.*without the Lease nothing is written", stream="err").string
        assert lease in said
        assert s.ask(host=f"{ns}.example.com")[0] == 200 and addresses(cluster, ns) == []


def test_the_addresses_of_the_nodes_that_our_pods_run_on(cluster, ns, pods, lease):
    app(cluster, ns, pods)
    cluster.apply(f"""apiVersion: v1
kind: ServiceAccount
metadata: {{name: default, namespace: {ns}}}
""")
    for n in (1, 2, 3):
        cluster.apply(f"apiVersion: v1\nkind: Node\nmetadata: {{name: {ns[-40:].strip('-')}-{n}}}\n")
        node = [{"type": "InternalIP", "address": f"10.0.0.{n}"}] + ([{"type": "ExternalIP", "address": "192.0.2.200"}] if n == 2 else [])
        cluster.kubectl("patch", "node", f"{ns[-40:].strip('-')}-{n}", "--subresource=status", "--type=merge", "-p", json.dumps({"status": {"addresses": node}}))

    def pod(n, app_label="sluice", phase="Running"):
        cluster.apply(f"""apiVersion: v1
kind: Pod
metadata: {{name: p{n}, namespace: {ns}, labels: {{app: {app_label}, pod-template-hash: h{n}}}}}
spec: {{nodeName: {ns[-40:].strip('-')}-{n}, containers: [{{name: c, image: none}}]}}
""")
        cluster.kubectl("patch", "pod", f"p{n}", "-n", ns, "--subresource=status", "--type=merge", "-p", json.dumps({"status": {"phase": phase}}))

    pod(1), pod(2), pod(3, app_label="other")
    me = [f"POD_NAMESPACE={ns}", "POD_NAME=p1"]
    with Sluice(cluster, "--election-id", lease, env=me):
        wait_for(lambda: addresses(cluster, ns) == ["10.0.0.1", "192.0.2.200"], "internal, or external where there is one")
        assert cluster.get("lease", lease, ns)["spec"]["holderIdentity"].startswith("p1_")
    assert addresses(cluster, ns) == ["10.0.0.1", "192.0.2.200"]  # p2 runs on
    with Sluice(cluster, "--election-id", lease, "--report-node-internal-ip-address", env=me):
        wait_for(lambda: addresses(cluster, ns) == ["10.0.0.1", "10.0.0.2"], "internal addresses on wish")
        cluster.kubectl("delete", "pod", "p2", "-n", ns, "--grace-period=0", "--force")
    assert addresses(cluster, ns) == []  # the last one takes them out


def verdict(cluster, ns, name):
    text = cluster.get("ingress", name, ns)["metadata"].get("annotations", {}).get("sluice.dev/verdict")
    return json.loads(text) if text else None


def test_the_verdict_as_an_annotation(cluster, ns, pods, lease, tmp_path):
    """By the right that the status needs, and no other."""
    from test_secrets import READS

    rules = [*READS, {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses/status"], "verbs": ["patch"]},
             {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]},
             {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create", "get", "update"]}]
    account = cluster.account(ns, "writer", rules, tmp_path / "kubeconfig")
    host = f"{ns}.example.com"
    app(cluster, ns, pods)
    prefix = "nginx.ingress.kubernetes.io"
    cluster.apply("---\n".join([ingress("a-thief", host, ns=ns), ingress("foreign", f"foreign.{host}", ns=ns, class_name="other"),
                                ingress("broken", f"broken.{host}", ns=ns, annotations={f"{prefix}/permanent-redirect": "no\turl"})]))
    with Sluice(cluster, "--election-id", lease, "--status-annotation", "--publish-status-address", "192.0.2.1", kubeconfig=account) as s:
        wait_for(lambda: verdict(cluster, ns, "app") == {"verdict": "served"}, "the verdict on a good one")
        wait_for(lambda: (verdict(cluster, ns, "broken") or {}).get("verdict") == "refused", "the verdict on a refused one")
        assert "permanent-redirect" in verdict(cluster, ns, "broken")["problems"][0]["field"]
        wait_for(lambda: (verdict(cluster, ns, "a-thief") or {}).get("verdict") == "served with problems", "the verdict on a path that is taken")
        problem = verdict(cluster, ns, "a-thief")["problems"][0]
        assert problem["reason"] == "PathConflict" and f"it belongs to Ingress {ns}/app" in problem["text"]
        assert verdict(cluster, ns, "foreign") is None
        # Our own writing changes nothing that is served, and is not repeated.
        wait_for(lambda: addresses(cluster, ns) == ["192.0.2.1"], "the address beside it")
        batches, version = s.metric("sluice_source_batches_total"), cluster.get("ingress", "app", ns)["metadata"]["resourceVersion"]
        cluster.kubectl("annotate", "ingress", "broken", "-n", ns, f"{prefix}/permanent-redirect=https://a.example/", "--overwrite")
        wait_for(lambda: verdict(cluster, ns, "broken") == {"verdict": "served"}, "the verdict on a mended one")
        assert cluster.get("ingress", "app", ns)["metadata"]["resourceVersion"] == version
        assert s.metric("sluice_source_batches_total") <= batches + 2
        # Of another class from now on: what we said of it goes; what others said of theirs stays.
        cluster.kubectl("annotate", "ingress", "foreign", "-n", ns, "sluice.dev/verdict={\"verdict\":\"of another Sluice\"}")
        cluster.kubectl("patch", "ingress", "broken", "-n", ns, "--type=merge", "-p", '{"spec": {"ingressClassName": "other"}}')
        wait_for(lambda: verdict(cluster, ns, "broken") is None, "no verdict on what is not ours")
        assert verdict(cluster, ns, "foreign") == {"verdict": "of another Sluice"}
    said = verdict(cluster, ns, "a-thief")
    assert said["verdict"] == "served with problems"  # it stays at the end
    with Sluice(cluster, "--election-id", lease, "--status-annotation", "--publish-status-address", "192.0.2.1", "--update-status-on-shutdown", "false",
                kubeconfig=account) as s:
        wait_for(lambda: addresses(cluster, ns, "a-thief") == ["192.0.2.1"], "the address again")
        assert verdict(cluster, ns, "a-thief") == said
    # Without the flag nothing of it is written.
    cluster.apply(ingress("plain", f"plain.{host}", ns=ns))
    with Sluice(cluster, "--election-id", lease, "--publish-status-address", "192.0.2.2") as s:
        wait_for(lambda: addresses(cluster, ns, "plain") == ["192.0.2.2"], "the address without a verdict")
        assert verdict(cluster, ns, "plain") is None
