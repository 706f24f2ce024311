"""A pod's service account: its token is replaced and the old one is revoked, it ends, its certificate authority changes. A kubeconfig's exec plugin."""
import json
import os
import subprocess

import pytest
from cluster import Api, Load, ServiceAccount, Sluice, ingress, service
from harness import wait_for
from test_secrets import READS

RIGHTS = [*READS, {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]},
          {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create", "get", "update"]},
          {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses/status"], "verbs": ["patch"]},
          {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]}]


@pytest.fixture
def account(cluster, ns, tmp_path):
    cluster.account(ns, "sluice", RIGHTS, tmp_path / "unused")
    return ServiceAccount(cluster, tmp_path / "account", ns, "sluice")


@pytest.fixture
def bound(cluster, ns, account):
    """A token that ends with the Secret it is bound to; the second value revokes it and waits until the server refuses it."""
    def make(name):
        cluster.kubectl("create", "secret", "generic", name, "-n", ns)
        token = account.token("--bound-object-kind", "Secret", "--bound-object-name", name)

        def revoke():
            cluster.kubectl("delete", "secret", name, "-n", ns)

            def status():
                r = subprocess.run(cluster.inside("curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}", "-m", "5", "-H", f"Authorization: Bearer {token}",
                                                  f"{account.server['server']}/api/v1/namespaces/{ns}/services"), capture_output=True, text=True)
                return r.stdout

            wait_for(lambda: status() == "401", "the server to refuse the token (it remembers for 10 s)", 30)

        return token, revoke

    return make


def test_a_replaced_token_is_used_and_the_old_one_is_not_missed(cluster, ns, pods, account, bound):
    host, api = f"{ns}.example.com", Api(cluster)
    cluster.apply(service("app", [pods().port], ns) + "---\n" + ingress("app", host, ns=ns))
    (first, revoke_first), (second, revoke_second), (third, _) = bound("one"), bound("two"), bound("three")
    account.project(first)
    with Sluice(cluster, "--watch-namespace", ns, "--configmap", f"{ns}/none", "--election-id", "tokens", kubernetes=True, env=account.pod()) as s, \
            Load(cluster, s.port["http"], host) as load:
        s.process.wait_line("this replica writes", stream="err")
        account.project(second)
        revoke_first()
        renewed = lambda: api.get("Lease", "tokens", ns)["spec"]["renewTime"]
        for _ in range(2):
            before = renewed()
            wait_for(lambda: renewed() > before, "the Lease to be renewed with the new token")
        said = len(s.process.err)  # what may not be listed is asked for meanwhile, perhaps with the old token
        cluster.stop_api()  # the watches, which were let in by the old token, end
        cluster.start_api()
        cluster.apply(ingress("late", f"late.{host}", ns=ns))
        s.until("a change, watched with the new token", host=f"late.{host}")
        assert not [line for line in s.process.err[said:] if ": 401 " in line and "watch" in line]
        # One that ends without another in its place: what is known is served, and it is said why nothing new comes.
        said = len(s.process.err)
        revoke_second()
        cluster.stop_api()
        cluster.start_api()
        wait_for(lambda: any("401 Unauthorized; what is known is served" in line for line in s.process.err[said:]), "it to be said", 20)
        cluster.apply(ingress("later", f"later.{host}", ns=ns))
        load.more()
        account.project(third)
        s.until("the change, once there is a token that counts", host=f"later.{host}", seconds=15)


def test_the_certificate_authority_is_read_again(cluster, ns, pods, account, tmp_path):
    host = f"{ns}.example.com"
    cluster.apply(service("app", [pods().port], ns) + "---\n" + ingress("app", host, ns=ns))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", tmp_path / "k",
                    "-out", tmp_path / "other.crt", "-days", "2", "-subj", "/CN=other"], check=True, capture_output=True)
    account.project(account.token())
    with Sluice(cluster, "--watch-namespace", ns, "--configmap", f"{ns}/none", "--update-status", "false", kubernetes=True, env=account.pod()) as s, \
            Load(cluster, s.port["http"], host) as load:
        account.project(account.token(), (tmp_path / "other.crt").read_text())
        cluster.stop_api()
        cluster.start_api()
        s.process.wait_line("TLS with 127.0.0.1.*certificate.*what is known is served", stream="err", seconds=20)
        cluster.apply(ingress("late", f"late.{host}", ns=ns))
        load.more()
        account.project(account.token())
        s.until("the change, once the authority is the right one", host=f"late.{host}", seconds=15)
    assert len([line for line in s.process.err if "TLS with 127.0.0.1" in line and "certificate" in line and "is served" in line]) == 1  # of all that is watched


def test_an_exec_plugin_that_takes_its_time_holds_up_nothing(cluster, ns, pods, account, tmp_path):
    """It is asked for each new connection: what it prints is soon over. The connection for Events is made when there is one."""
    host, api = f"{ns}.example.com", Api(cluster)
    # All is well at the start: no Event is due before the one that the test is about.
    cluster.apply(service("app", [pods().port], ns) + "---\n" + ingress("app", host, ns=ns) +
                  f"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: options, namespace: {ns}}}\n")
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
                  "status": {"token": account.token(), "expirationTimestamp": "2026-01-01T00:00:00Z"}}
    plugin, hold, held = tmp_path / "plugin", tmp_path / "hold", tmp_path / "held"
    plugin.write_text(f"#!/bin/sh\nif [ -e {hold} ]; then touch {held}; read go < {hold}; fi\necho '{json.dumps(credential)}'\n")
    plugin.chmod(0o755)
    user = {"exec": {"apiVersion": credential["apiVersion"], "command": str(plugin), "interactiveMode": "Never"}}
    kubeconfig = cluster.kubeconfig_of(user, tmp_path / "kubeconfig", ns)
    with Sluice(cluster, "--watch-namespace", ns, "--configmap", f"{ns}/options", "--election-id", "tokens", kubeconfig=kubeconfig) as s:
        s.process.wait_line("this replica writes", stream="err")
        os.mkfifo(hold)
        cluster.apply(ingress("odd", f"odd.{host}", ns=ns, annotations={"nginx.ingress.kubernetes.io/permanent-redirect": "no\turl"}))
        wait_for(held.exists, "the plugin to be asked")
        cluster.apply(ingress("late", f"late.{host}", ns=ns))
        s.until("a change that is watched meanwhile", host=f"late.{host}")
        renewed = lambda: api.get("Lease", "tokens", ns)["spec"]["renewTime"]
        before = renewed()
        wait_for(lambda: renewed() > before, "the Lease to be renewed meanwhile")
        assert "odd" not in cluster.kubectl("get", "events", "-n", ns)
        with open(hold, "w") as go:
            hold.unlink()
            go.write("go\n")
        wait_for(lambda: "odd" in cluster.kubectl("get", "events", "-n", ns), "the Event")
