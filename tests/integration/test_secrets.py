"""Values of Secrets in every shape that a mistake can give them: no output of the binary may show a part of one.

Each file is a Secret with values of its own that was damaged at random. The seed is printed; SECRETS_SEED repeats a run."""
import base64
import json
import os
import random
import ssl
import string
import subprocess

import pytest
import yaml

import harness
from harness import SLUICE, Process, certificate, config_map, http_get, ingress, service, tls_secret, wait_for

WINDOW = 8  # characters of a value that may not be seen in a row


class Planted:
    """Makes values, and finds parts of them in text."""

    def __init__(self, rng):
        self.rng, self.parts = rng, {}

    def value(self):
        r = self.rng
        letters = string.ascii_letters + string.digits
        kind = r.randrange(4)
        if kind == 0:
            text = "".join(r.choice(letters) for _ in range(32)) + "7aB9"
        elif kind == 1:
            text = "pa5s W0rd!" + "".join(r.choice(letters + "#$%&()+,;<=>?@^_~") for _ in range(20))
        elif kind == 2:
            body = base64.b64encode(r.randbytes(90)).decode()
            text = "-----BEGIN PRIVATE KEY-----\n" + body[:60] + "\n" + body[60:] + "\n-----END PRIVATE KEY-----\n"
        else:
            text = r.choice("*&!%@`|>{[\"'-?:,#") + "".join(r.choice(letters) for _ in range(30)) + "Zz0123"
        return self.plant(text)

    def plant(self, text):
        for form in (text, base64.b64encode(text.encode()).decode()):
            form = form.replace("-----BEGIN PRIVATE KEY-----", "\n").replace("-----END PRIVATE KEY-----", "\n")
            for line in form.split("\n"):
                for i in range(max(0, len(line) - WINDOW + 1)):
                    self.parts.setdefault(line[i:i + WINDOW], text)
        return text

    def encoded(self):
        return base64.b64encode(self.value().encode()).decode()

    def seen_in(self, text):
        return next(((part, text[max(0, i - 120):i + 60]) for i in range(len(text) - WINDOW + 1)
                     if (part := text[i:i + WINDOW]) in self.parts), None)


def secret(name, planted):
    return {"apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": {"name": name, "namespace": "default", "labels": {"app": "x"},
                         "annotations": {"kubectl.kubernetes.io/last-applied-configuration": json.dumps({"data": {"k": planted.encoded()}})}},
            "data": {"tls.key": planted.encoded(), "password": planted.encoded()},
            "stringData": {"token": planted.value()}}


def damaged(doc, planted):
    """One to four mistakes in the object."""
    r = planted.rng
    for _ in range(r.randint(1, 4)):
        maps = [m for m in walk(doc) if isinstance(m, dict) and m]
        if not maps or not isinstance(doc, dict):
            return doc
        m = r.choice(maps)
        k = r.choice(list(m))
        v = m[k]
        mistake = r.randrange(16)
        if mistake == 0:      # a level is missing
            m[k] = planted.value() if r.random() < 0.5 else planted.encoded()
        elif mistake == 1:    # a level too many
            m[k] = r.choice([[v], {"value": v}, [{"name": k, "value": v}]])
        elif mistake == 2:    # a value became a name
            m.pop(k)
            m[v if isinstance(v, str) else planted.value()] = r.choice([None, "", 1, k])
        elif mistake == 3:    # spelt wrong
            m.pop(k)
            m[r.choice([k[:-1] or "x", k.upper(), k + "s", k.replace("a", "o") + "_", " " + k])] = v
        elif mistake == 4:
            m.pop(k)
        elif mistake == 5:
            doc["kind"] = r.choice(["Secert", "secret", "Secrets", "SecretList", "List", None, 7, ["Secret"], planted.value(), "SealedSecret"])
        elif mistake == 6:
            doc["apiVersion"] = r.choice(["v1beta1", "v2", "", None, planted.value(), "core/v1", ["v1"], "v1 " + planted.value()])
        elif mistake == 7 and ("data" in doc or "stringData" in doc):
            doc["kind"] = r.choice(["ConfigMap", "Ingress", "Service", "EndpointSlice", "IngressClass"])
        elif mistake == 8 and isinstance(doc.get("metadata"), dict):
            place = r.choice(["name", "namespace", "labels", "annotations", "creationTimestamp"])
            doc["metadata"][place] = r.choice([planted.value(), [planted.value()], {"a": [planted.value()]}, {planted.value(): 5}])
        elif mistake == 9:
            doc["metadata"] = r.choice([planted.value(), [doc.get("metadata")], None])
        elif mistake == 10:
            doc["type"] = r.choice([planted.value(), 5, [planted.value()], {planted.value(): 1}])
        elif mistake == 11:   # a number
            m[k] = r.randint(10**15, 10**16)
            planted.plant(str(m[k]))
        elif mistake == 12:   # moved to another place
            r.choice(maps)[k] = m.pop(k)
        elif mistake == 13:
            doc["data"] = r.choice([planted.value(), [planted.encoded()], {"k": planted.value()}, {"k": {planted.value(): planted.value()}}, {planted.value(): planted.value()}])
        elif mistake == 14:
            doc = {"apiVersion": "v1", "kind": r.choice(["List", "SecretList"]), "items": r.choice([[doc], doc, [doc, planted.value()], planted.value()])}
        elif mistake == 15:
            doc["stringData"] = r.choice([planted.value(), [planted.value()], {"a": True, "b": int(planted.plant(str(r.randint(10**15, 10**16))))}])
    return doc


def walk(node):
    yield node
    for child in (node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()):
        yield from walk(child)


def written(doc, planted):
    """The text, sometimes with mistakes of its own; and the end of the file's name."""
    r = planted.rng
    form = r.randrange(4)
    if form == 0:
        text, end = json.dumps(doc, indent=r.choice([None, 2])), "json"
    else:
        text = yaml.safe_dump(doc, default_flow_style=form == 1, sort_keys=False) if form < 3 else loose(doc)
        end = "yaml"
    for _ in range(r.choice([0, 0, 1, 3])):
        at = r.randrange(len(text) + 1)
        mistake = r.randrange(6)
        if mistake == 0:
            text = text[:at]
        elif mistake == 1:
            text = text[:at] + r.choice("\t:{}[],&*!|>'\"%@`\\#\n-?") + text[at:]
        elif mistake == 2:
            text = text[:at] + text[at + 1:]
        elif mistake == 3:
            lines = text.split("\n")
            i = r.randrange(len(lines))
            lines.insert(i, lines[i])  # a duplicate
            text = "\n".join(lines)
        elif mistake == 4:
            text = text.replace("'", "").replace('"', "")
        else:
            text = text.replace(": ", r.choice([":", " ", ": *", ": &", ': "\\', ": !", ": |"]), r.randint(1, 3))
    return text, end


def loose(node, indent=""):
    """As people write it: nothing is quoted."""
    if isinstance(node, dict):
        return "".join(f"{indent}{k}:{' ' + str(v).strip() if not isinstance(v, (dict, list)) else ''}\n" + (loose(v, indent + "  ") if isinstance(v, (dict, list)) else "")
                       for k, v in node.items())
    if isinstance(node, list):
        return "".join(f"{indent}- " + loose(v, indent + "  ").lstrip() + ("" if isinstance(v, (dict, list)) else "\n") for v in node)
    return str(node)


def run(*args, **kw):
    r = subprocess.run([SLUICE, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, **kw)
    return (r.stdout + r.stderr).decode("utf-8", "replace")


@pytest.fixture
def planted():
    seed = int(os.environ.get("SECRETS_SEED") or random.SystemRandom().randrange(1 << 32))
    print("SECRETS_SEED =", seed)
    return Planted(random.Random(seed))


def test_no_output_shows_a_value(site, planted, tmp_path):
    r, root = planted.rng, site.manifests.root
    count = 150
    for i in range(count):
        text, end = written(damaged(secret(f"s{i}", planted), planted), planted)
        (root / f"f{i}.{end}").write_text(text)
    # Key files that somebody named as manifests, or linked to.
    (root / "key.yaml").write_text(planted.value())
    (tmp_path / "tls.key").write_text("-----BEGIN PRIVATE KEY-----\n" + planted.encoded() + "\n-----END PRIVATE KEY-----\n")
    (root / "link.yml").symlink_to(tmp_path / "tls.key")
    (root / "token.json").write_text(planted.value())
    site.manifests.write("o.yaml", config_map({"ssl-session-ticket-key": planted.value(), "ssl-session-ticket_key": planted.value(),
                                               planted.value(): "1", "ssl-session-ticket-keys": planted.encoded()}))
    (root / "p.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\ndata:\n  ssl-session-ticket-key: %s\n" % planted.plant("9040123450123456789"))
    tls = [([f"t{i}.example"], f"s{i}") for i in range(0, count, 3)]
    site.manifests.write("i.yaml", ingress("i", {"app.example": "app", **{h[0]: "app" for h, _ in tls}}, tls=tls), service("app"),
                         ingress("j", {"j.example": "app"}, annotations={"proxy-ssl-secret": "default/s1"}))
    # Whatever names a Secret, with values where others belong: names and passwords swapped, a password for a certificate.
    for i in range(12):
        name = "".join(r.choice(string.ascii_letters + string.digits + "-_.") for _ in range(24))
        for form, data in (("auth-map", {planted.plant(name): planted.encoded()}),
                           ("auth-file", {"auth": base64.b64encode(f"{planted.value()}:{planted.value()}\n{planted.value()}".encode()).decode()})):
            site.manifests.write(f"{form}{i}.yaml", {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"{form}-{i}", "namespace": "default"}, "data": data},
                                 ingress(f"{form}-{i}", {f"{form}-{i}.example": "app"}, annotations={
                                     "auth-type": "basic", "auth-secret": f"default/{form}-{i}", "auth-secret-type": form}))
        site.manifests.write(f"ca{i}.yaml",
                             {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"ca-{i}", "namespace": "default"},
                              "data": {k: planted.encoded() for k in ("ca.crt", "ca.crl", "tls.crt", "tls.key")}},
                             ingress(f"ca-{i}", {f"ca-{i}.example": "app"}, annotations={
                                 "auth-tls-secret": f"default/ca-{i}", "proxy-ssl-secret": f"default/ca-{i}"}))
    cert, key = certificate("webhook.example")
    (tmp_path / "hook.crt").write_text(cert)
    (tmp_path / "hook.key").write_text(key)
    sluice = site.sluice("--log-level", "trace", "--validating-webhook", "127.0.0.1:0", "--validating-webhook-certificate", tmp_path / "hook.crt",
                         "--validating-webhook-key", tmp_path / "hook.key")
    hook = sluice.wait_line(r"^listening webhook (\S+)").group(1)

    def pages():
        return "".join(sluice.admin_get(p).body.decode("utf-8", "replace") for p in ("/config", "/routes", "/metrics", "/version", "/log/level", "/"))

    def commands():
        return "".join(run(*c) for c in (("check", root), ("check", root, "--json"), ("explain", root, "GET", "https://t0.example/"),
                                         ("explain", root, "GET", "https://t3.example/", "--json")))

    shown = pages() + commands()
    # The same once more in other shapes, as changes.
    for i in range(0, count, 2):
        for end in ("json", "yaml"):
            (root / f"f{i}.{end}").unlink(missing_ok=True)
        text, end = written(damaged(secret(f"s{i}", planted), planted), planted)
        (root / f"f{i}.{end}").write_text(text)
    site.manifests.write("last.yaml", ingress("last", {"last.example": "app"}))
    wait_for(lambda: "last.example" in sluice.admin_get("/routes").body.decode(), "the last change is live")
    shown += pages() + commands()
    # Questions of the API server.
    for i in range(40):
        doc = damaged(secret(f"w{i}", planted), planted)
        about = r.choice(["Ingress", "Secret", planted.value()])
        review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
                  "request": {"uid": str(i), "operation": "CREATE", "kind": {"kind": about, "group": "networking.k8s.io"}, "name": planted.value(),
                              "namespace": "default", "object": doc}}
        body = json.dumps(review) if i % 4 else json.dumps(review)[:r.randrange(10, 400)]
        shown += ask(hook, body)
    sluice.stop()
    shown += "\n".join(sluice.out + sluice.err)
    assert "NotAnObject" in shown and "BadShape" in shown and "InvalidYaml" in shown
    assert not (found := planted.seen_in(shown)), found


def ask(address, body):
    host, port = address.rsplit(":", 1)
    context = ssl._create_unverified_context()
    c = harness.http.client.HTTPSConnection(host, int(port), timeout=10, context=context)
    try:
        c.request("POST", "/networking/v1/ingresses", body=body)
        return c.getresponse().read().decode("utf-8", "replace")
    finally:
        c.close()


def test_no_refusal_of_the_command_line_shows_a_value(site, planted, tmp_path):
    root, value = site.manifests.root, planted.encoded
    shown = ""
    for args in (["--set", f"ssl-session-ticket-key={value()}!"], ["--set", value()], ["--set", f"ssl-session-ticket-keys={value()}"],
                 ["--set", f"={value()}"], ["--sett", f"ssl-session-ticket-key={value()}"], ["--set", "ssl-session-ticket-key", value()],
                 [f"--ssl-session-ticket-key={value()}"], ["--set", f"{value()}=x"]):
        out = run("check", root, *args)
        assert out, args
        shown += out
        shown += run("serve", "--manifests", root, *args, "--http", "nonsense")
    for text in (value(), f"ssl-session-ticket-key: {value()}!", f"ssl-session-ticket-key:\n  - a: {value()}", f"ssl-session-ticket-key:\n  {value()}:",
                 f"set: {value()}", f"set:\n  ssl-session-ticket-key: {value()}!", f"{value()}: 1", f"a: *{value()}", f"a: \"\\{value()}\"",
                 f"ssl-session-ticket-kee: {value()}", "a: 1\n" + f"ssl-session-ticket-key: {value()}\n" * 2, f"[{value()}", f"set: [{value()}, {{a: {value()}}}]"):
        (tmp_path / "sluice.yaml").write_text(text)
        out = run("serve", "--config", tmp_path / "sluice.yaml", "--manifests", root, "--http", "nonsense")
        assert "sluice.yaml" in out or "nonsense" in out, out
        shown += out
    assert not (found := planted.seen_in(shown)), found


def test_no_refusal_of_a_kubeconfig_shows_a_value(planted, tmp_path):
    value = planted.encoded
    plugin = tmp_path / "plugin.sh"
    plugin.write_text("#!/bin/sh\necho \"cannot log in with $PASSWORD and $1, got $(cat %s)\" >&2\nexit 1\n" % (tmp_path / "token"))
    plugin.chmod(0o755)
    (tmp_path / "token").write_text(value())
    said = ""
    users = [f"token: [{value()}", f"client-key-data: {value()}!, client-certificate-data: YQ==", f"auth-provider: {{name: {value()}}}",
             f"exec: {{apiVersion: {value()}, command: x}}", f"token: *{value()}",
             f"exec: {{apiVersion: client.authentication.k8s.io/v1, command: ./plugin.sh, args: ['{value()}'], env: [{{name: PASSWORD, value: 's3 {value()}'}}]}}"]
    # What it says is longer than what is shown of it: a value that would be cut there has to be unseen as well.
    users += [users[-1].replace("s3 ", "s3 " + "a long word of no secret " * words) for words in range(1, 13)]
    clusters = [f"server: '{value()}'", f"server: 'https://admin:{value()}@api.example:x'", f"server: 'https://{value()}@127.0.0.1:1'",
                f"server: 'https://127.0.0.1:1/?token={value()}'", f"server: https://a, proxy-url: 'http://me:{value()}@proxy:1'",
                f"server: https://a, certificate-authority-data: '{value()}!'"]
    cases = [(u, "server: https://127.0.0.1:1") for u in users] + [("token: x", c) for c in clusters]
    for user, cluster in cases:
        config = tmp_path / "config"
        config.write_text(f"apiVersion: v1\nkind: Config\ncurrent-context: main\ncontexts: [{{name: main, context: {{cluster: c, user: u}}}}]\n"
                          f"clusters: [{{name: c, cluster: {{{cluster}}}}}]\nusers: [{{name: u, user: {{{user}}}}}]\n")
        p = Process([SLUICE, "serve", "--kubeconfig", config, "--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--log-level", "trace"])
        try:
            wait_for(lambda: p.err, "something is said")
            wait_for(lambda: p.proc.poll() is not None or any("tried again" in line or "exec plugin" in line for line in p.err), f"it fails: {user} {cluster}")
        finally:
            p.stop(harness.signal.SIGKILL)
        said += "\n".join(p.out + p.err) + "\n"
    assert "cannot log in with" in said
    assert not (found := planted.seen_in(said)), found
