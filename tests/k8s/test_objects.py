"""Manifests as kubectl reads them: what `kubectl apply -f` takes is taken here, with the same meaning; and the fields that
objects may have are those of the API server. kubectl reads without a server (`annotate --local` has the reader of `apply`)."""
import json
import os
import random
import re
import subprocess

import pytest
import yaml
from cluster import HARNESS
from harness import SLUICE

INGRESS = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "a"}, "spec": {"rules": [
    {"host": "a.example", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"number": 80}}}}]}}]}}


def port_of(service):
    """What an API server makes of it: an empty name and the number 0 are none."""
    port = service["port"]
    if set(port) - {"name", "number"} or not all(isinstance(v, (str, type(None)) if k == "name" else (int, type(None))) for k, v in port.items()):
        return None
    return {k: v for k, v in port.items() if v}


# Host, path, type, Service and port of an Ingress that the API server takes.
VALID = re.compile(r"([a-z0-9-]+(\.[a-z0-9-]+)*)? /[^\x00-\x1f\x7f-\x9f]* (Prefix|Exact) [\w.:-]+ \{('number': \d+|'name': '[a-z0-9-]*[a-z][a-z0-9-]*')\}")


def named(name, host="", **more):
    out = json.loads(json.dumps(INGRESS).replace("a.example", f"{host or name}.example")) | more
    out["metadata"] = {"name": name}
    return out


def block(o):
    return yaml.safe_dump(o, sort_keys=False)


def kubectl(path):
    """The objects that it reads from the file, or None when it takes not all of it."""
    r = subprocess.run([HARNESS, "kubectl", "annotate", "--local", "--overwrite", "-f", path, "read=yes", "-o", "json"], capture_output=True,
                       timeout=60)
    if r.returncode != 0:
        return None
    text, out, at = r.stdout.decode(), [], 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        o, at = json.JSONDecoder().raw_decode(text, at)
        out.append(o)
    return out


def meaning(objects):
    """The paths of the Ingresses, as `check` shows them; None where the API server would refuse one."""
    latest = {}
    for o in objects:
        if o.get("kind") == "Ingress" and o.get("apiVersion") == "networking.k8s.io/v1":
            m = o.get("metadata") or {}
            if not (isinstance(m.get("name"), str) and isinstance(m.get("namespace", ""), (str, type(None)))):
                return None
            if not re.fullmatch("[a-z0-9.-]+", m["name"] + (m.get("namespace") or "")):
                return None
            latest[m.get("namespace") or "default", m["name"]] = o
    rows = set()
    try:
        for (ns, name), o in latest.items():
            for rule in o["spec"].get("rules") or []:
                for p in (rule.get("http") or {}).get("paths") or []:
                    service = p["backend"]["service"]
                    port = port_of(service)
                    values = (rule.get("host") or "", p.get("path") or "/", p.get("pathType") or "", service["name"])
                    if not all(isinstance(v, str) for v in values) or port is None or len(port) != 1 or not VALID.fullmatch(" ".join((*values, repr(port)))):
                        return None
                    rows.add((ns, name, values[0].lower(), *values[1:], str(port.get("number") or port.get("name"))))
    except (TypeError, KeyError, AttributeError):
        return None
    return rows


def check(directory):
    r = subprocess.run([SLUICE, "check", "--watch-ingress-without-class", "--json", directory], capture_output=True, timeout=60)
    assert r.returncode in (0, 2), (r.returncode, r.stderr)
    return json.loads(r.stdout)


def ours(answer):
    return {(r["namespace"], r["ingress"], r["host"], r["path"], r["pathType"], r["service"], r["servicePort"])
            for r in answer["served"] if r["pathType"] and r["ingress"]}


def agree(directory, name, content, tidy=True):
    """Both have read the file; False: kubectl does not take it, or the API server would not. What is not tidy has text behind
    the end of a document, which kubectl passes over without a word: here that is read, or refused aloud."""
    path = directory / name
    path.write_bytes(content)
    objects = kubectl(path)
    wanted = None if objects is None else meaning(objects)
    if wanted is not None:
        answer = check(directory)
        read = ours(answer)
        aloud = any(e["reason"] in ("InvalidYaml", "InvalidJson") for e in answer["report"])
        assert read == wanted or (not tidy and (wanted <= read or aloud)), (name, content, wanted, read, answer["report"])
    path.unlink()
    return wanted is not None


A, B, C = block(named("a")), block(named("b")), block(named("c"))
JA, JB, JC = (json.dumps(named(n)) for n in "abc")
BARE = [{k: named(n)[k] for k in ("metadata", "spec")} for n in "ab"]
TYPED = {"apiVersion": "networking.k8s.io/v1", "kind": "IngressList", "metadata": {"resourceVersion": "7"}, "items": BARE}
LIST = {"apiVersion": "v1", "kind": "List", "items": [named("a"), named("b")]}
CORPUS = {
    "one.yaml": A, "many.yaml": f"{A}---\n{B}---\n{C}", "marks.yaml": f"---\n---\n# c\n--- # x\n{A}...\n---\n{B}...\n# c\n", "crlf.yml": A.replace("\n", "\r\n"),
    "trailing-blanks.yaml": f"{A}---   \n{B}--- \t# c\n", "empty.yaml": "", "comment.yaml": "# nothing\n", "null.yaml": "null\n---\n~\n", "no-newline.yaml": A.rstrip(),
    "yaml.json": A, "many-yaml.json": f"{A}---\n{B}", "json.yaml": JA, "stream.json": JA + JB + "\n\n" + JC, "stream.yaml": JA + "\n" + JB,
    "marked.json": f"{JA}\n---\n{JB}\n", "mixed.json": f"{JA}\n---\n{B}", "mixed.yaml": f"{A}---\n{JB}\n---\n{C}", "indented.json": json.dumps(named("a"), indent=2) + JB,
    "commented-flow.yaml": "# {\n" + JA, "braces-in-text.json": json.dumps(named("a", note="} { \" \\ {")) + JB,
    "list.yaml": block(LIST), "list.json": json.dumps(LIST), "typed.yaml": block(TYPED), "typed.json": json.dumps(TYPED), "typed-twice.json": json.dumps(TYPED) + JC,
    "any-kind-with-items.yaml": block(LIST | {"kind": "Ingress", "apiVersion": "networking.k8s.io/v1"}), "empty-list.yaml": block(LIST | {"items": []}),
    "other-kinds.yaml": A + "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n---\n" + B,
    "foreign-beta.yaml": A + "---\napiVersion: networking.example.io/v1beta1\nkind: Ingress\nmetadata: {name: a}\n",
    "bom.yaml": b"\xef\xbb\xbf" + A.encode(), "bom.json": b"\xef\xbb\xbf" + JA.encode(), "bom-of-second.yaml": f"{A}---\n\ufeff{B}", "bom-before-comment.yaml": f"\ufeff# c\n{A}",
    "utf16.yaml": A.encode("utf-16"), "utf16be.yaml": b"\xfe\xff" + A.encode("utf-16-be"), "utf16.json": JA.encode("utf-16"), "utf16-emoji.yaml": f"# \U0001f680 ü\n{A}".encode("utf-16"),
    "latin1-comment.yaml": b"# caf\xe9\n" + A.encode(),
    "twice.yaml": A.replace("host: a.example", "host: old.example\n    host: a.example"), "twice.json": JA.replace('"host"', '"host": "old.example", "host"'),
    "twice-map.yaml": A + "spec: " + json.dumps(named("b")["spec"]) + "\n", "twice-metadata.yaml": A + "metadata: {name: other}\n", "twice-labels.yaml": A.replace("name: a\n", "name: a\n  labels: {app: a, app: b}\n"),
    "twice-object.yaml": A + "---\n" + A.replace("path: /", "path: /other"),
    "anchor.yaml": "x-spec: &s " + json.dumps(INGRESS["spec"]) + "\n" + "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: a}\nspec: *s\n",
    "merge.yaml": A + "x: &x {name: web, port: {number: 81}}\nspec: {rules: [{host: m.example, http: {paths: [{path: /, pathType: Exact, backend: {service: {<<: *x, name: own}}}]}}]}\n",
    "merge-after.yaml": A + "x: &x {name: web, port: {number: 81}}\nspec: {rules: [{host: m.example, http: {paths: [{path: /, pathType: Exact, backend: {service: {name: own, <<: *x}}}]}}]}\n",
    "merge-list.yaml": A + "x: &x {name: web, port: {number: 81}}\ny: &z {name: other, port: {number: 82}}\nspec: {rules: [{host: m.example, http: {paths: [{path: /, pathType: Exact, backend: {service: {<<: [*x, *z]}}}]}}]}\n",
    "merge-twice.yaml": A + "x: &x {name: web}\ny: &z {port: {number: 82}}\nspec: {rules: [{host: m.example, http: {paths: [{path: /, pathType: Exact, backend: {service: {<<: *x, <<: *z}}}]}}]}\n",
    "quoted.yaml": A.replace("kind: Ingress", "'kind': \"Ingress\""), "tagged.yaml": A.replace("host: a.example", "host: !!str a.example").replace("80", "!!int 80"),
    "folded.yaml": A.replace("host: a.example", "host: >-\n      a.example"), "literal.yaml": A.replace("host: a.example", "host: |-\n      a.example"),
    "question.yaml": A.replace("kind: Ingress", "? kind\n: Ingress"), "null-members.yaml": A + "status: null\n",
    "marks-without-space.yaml": f"{A}---#\n{B}---# c\n{C}", "marks-of-space.yaml": f"{A}---\u00a0\n{B}---\f\n{C}---\v# c\n", "cr.yaml": A.replace("\n", "\r"),
    "cr-in-a-comment.yaml": "# x\r" + A, "empty-name.yaml": A.replace("number: 80", "number: 80\n              name: ''"), "zero-number.yaml": A.replace("number: 80", "number: 0\n              name: http"),
    "binary.yaml": A.replace("host: a.example", "host: !!binary YS5leGFtcGxl"),
    "not-a-mark.yaml": A.replace("name: a\n", "name: a\n  annotations:\n    text: |\n      x\n      --- y\n      ---\n      z\n"),
} | {f"port-{i}.yaml": A.replace("80", n) for i, n in enumerate(("80.0", "0x50", "0o120", "0120", "8e1", "8_0", "+80", "0080", "0b1010000", "80.", "8.0e+1", "080"))} | {
    f"text-{i}.yaml": A.replace("name: web", f"name: {t}") for i, t in enumerate(
        ("1.2.3.4", "2020-01-01", "0x", "tRue", "1:20", "nULL", "1e", "-x", ".5x", "0b2", "12e03.de", "_1", "1__0.x", "0-1", "oN", "e1", "0o8"))}


@pytest.mark.parametrize("name", CORPUS)
def test_corpus(tmp_path, name):
    content = CORPUS[name]
    assert agree(tmp_path, name, content if isinstance(content, bytes) else content.encode()), "kubectl does not take it: no case"


@pytest.mark.parametrize("name,objects", {
    "nested.yaml": LIST | {"items": [LIST, named("c")]}, "typed-in-list.yaml": LIST | {"items": [TYPED, named("c")]}, "deep.json": LIST | {"items": [LIST | {"items": [TYPED]}, named("c")]},
}.items())
def test_lists_in_lists(tmp_path, name, objects):
    """Of these kubectl 1.36 says "is not a list" when the server is away and takes some with one."""
    (tmp_path / name).write_text(block(objects) if name.endswith("yaml") else json.dumps(objects))
    assert {row[1] for row in ours(check(tmp_path))} == {"a", "b", "c"}


def test_what_is_said(tmp_path):
    """A file that cannot be read says why by name, and nothing that was meant as an object is lost without an error."""
    for name, content, reason, value in (
            ("u16.yaml", A.encode("utf-16-le"), "Unreadable", "UTF-16 without a byte order mark"), ("u32.yaml", A.encode("utf-32"), "Unreadable", "UTF-32"),
            ("bare.yaml", block(LIST | {"items": BARE}).encode(), "NotAnObject", "(a map)"), ("array.json", json.dumps([named("a")]).encode(), "NotAnObject", "(a list)"),
            ("group.yaml", A.replace("networking.k8s.io/v1", "extensions/v1beta1").encode(), "UnsupportedVersion", "extensions/v1beta1"),
            ("version.yaml", block(TYPED | {"apiVersion": "networking.k8s.io/v1beta1"}).encode(), "UnsupportedVersion", "networking.k8s.io/v1beta1")):
        (tmp_path / name).write_bytes(content)
        answer = check(tmp_path)
        assert answer["summary"]["exit"] == 2 and any(e["reason"] == reason and e["value"] == value for e in answer["report"]), (name, answer["report"])
        assert kubectl(tmp_path / name) is None or reason == "UnsupportedVersion", f"kubectl takes {name}"
        (tmp_path / name).unlink()


def full(definitions, name, kind):
    """An object with every field of the API, and one more at every level."""
    properties = definitions[name].get("properties")
    if properties is None:
        return {"IntOrString": 80, "Time": "2026-01-01T00:00:00Z", "MicroTime": "2026-01-01T00:00:00.000000Z", "FieldsV1": {}}[name.rsplit(".", 1)[1]]
    out = {"strange": "x"}
    for field, schema in properties.items():
        item = schema.get("items", schema)
        ref = item.get("$ref", "").rsplit("/", 1)[-1]
        value = full(definitions, ref, kind) if ref else {} if "additionalProperties" in item else \
            {"string": "x", "integer": 1, "boolean": True}[item["type"]]
        out[field] = [value] if schema.get("type") == "array" else value
    return out


def test_fields(cluster, tmp_path):
    """What the API server says is no field of a kind is what is said here, and nothing else."""
    definitions = json.loads(cluster.kubectl("get", "--raw", "/openapi/v2"))["definitions"]
    for kind, group, version in (("Ingress", "networking.v1", "networking.k8s.io/v1"), ("IngressClass", "networking.v1", "networking.k8s.io/v1"),
                                 ("Service", "core.v1", "v1"), ("EndpointSlice", "discovery.v1", "discovery.k8s.io/v1"), ("Secret", "core.v1", "v1"),
                                 ("ConfigMap", "core.v1", "v1")):
        o = full(definitions, f"io.k8s.api.{group}.{kind}", kind) | {"kind": kind, "apiVersion": version}
        o.pop("status", None)  # the API server's own: not judged here
        o["metadata"] |= {"name": "x", "namespace": "default"} | ({"managedFields": []})
        r = subprocess.run(cluster.inside(HARNESS, "kubectl", "--kubeconfig", cluster.kubeconfig, "create", "--dry-run=server", "--validate=strict", "-f", "-"),
                           input=json.dumps(o), capture_output=True, text=True, timeout=60)
        theirs = set(re.findall(r'unknown field "([^"]+)"', r.stderr))
        assert theirs, (kind, r.stderr)
        (tmp_path / "o.json").write_text(json.dumps(o))
        said = {e["field"] for e in check(tmp_path)["report"] if e["reason"] == "UnknownField"}
        if kind in ("Secret", "ConfigMap"):  # names that may be values are not shown
            said = {f.replace("…", "strange") for f in said}
        assert {f.replace("…", "strange") for f in said} == theirs, kind


class Writer:
    """Writes objects as people and programs write them, by a random choice of forms."""
    def __init__(self, seed):
        self.r = random.Random(seed)

    def maybe(self, chance=0.15):
        return self.r.random() < chance

    def scalar(self, v):
        r = self.r
        if isinstance(v, int):
            return r.choice([str(v)] * 5 + [f"{v}.0", hex(v), f"+{v}", f"0o{v:o}", f"0{v:o}", f"{v / 10}e1", f"{v}."])
        plain = [v] if v and v not in ("on", "y") and not v[0] in "*&!%@`|>'\"{}[],#?-:" and not v.endswith(":") else []
        return r.choice(plain * 4 + ["'" + v.replace("'", "''") + "'", json.dumps(v)])

    def flow(self, v):
        if isinstance(v, dict):
            members = [f"{self.r.choice([k, json.dumps(k)])}: {self.flow(w)}" for k, w in v.items()]
            return "{" + self.r.choice([", ", ",", " , ", ",\n        "]).join(members) + self.r.choice(["", ",", " "]) + "}"
        if isinstance(v, list):
            return "[" + ", ".join(map(self.flow, v)) + self.r.choice(["", " ", ","] if v else [""]) + "]"
        return self.scalar(v)

    def block(self, v, indent):
        pad, out = " " * indent, ""
        if isinstance(v, dict):
            members = list(v.items())
            if self.maybe():
                self.r.shuffle(members)
            for k, w in members:
                if self.maybe(0.05) and not isinstance(w, (dict, list)):
                    out += f"{pad}{k}: {self.scalar('old')}\n"
                if self.maybe(0.05):
                    out += self.r.choice([f"{pad}# {k}: {{\n", "\n", f"{pad}  # - x\n"])
                if isinstance(w, (dict, list)) and w and not self.maybe():
                    inner = indent + self.r.choice([1, 2, 2, 2, 4]) if isinstance(w, dict) or self.maybe(0.5) else indent
                    out += f"{pad}{k}:{self.r.choice(['', ' ', ' # c'])}\n" + self.block(w, inner)
                else:
                    out += f"{pad}{k}: {self.flow(w)}{self.r.choice(['', '', ' ', ' # c'])}\n"
        else:
            for w in v:
                body = self.block(w, indent + 2) if isinstance(w, dict) and not self.maybe() else " " * (indent + 2) + self.flow(w) + "\n"
                if body.lstrip(" ").startswith(("#", "\n")):
                    out += f"{pad}-\n{body}"
                else:
                    out += f"{pad}- {body[indent + 2:]}"
        return out

    def document(self, o):
        kind = self.r.random()
        if kind < 0.15:
            return json.dumps(o, indent=self.r.choice([None, 1, 2])) + "\n"
        if kind < 0.25:
            return self.flow(o) + "\n"
        return self.block(o, 0)

    def ingress(self, i):
        r = self.r
        name = f"i{i}" if not self.maybe() else f"i{r.randrange(i + 1)}"
        o = named(name, f"i{i}")
        for rule in range(r.randrange(3)):
            port = r.choice([{"number": r.randrange(1, 65536)}, {"name": r.choice(["http", "on", "y", "1a", "e3", "0x", "off-2", "null-x"])}])
            o["spec"]["rules"].append({"host": f"h{rule}.i{i}.example", "http": {"paths": [
                {"path": r.choice(["/", "/x", "/a b", "/ü", "/x#y", "/x: y", "/{x}", "/'q'", "/1e3"]), "pathType": r.choice(["Prefix", "Exact"]),
                 "backend": {"service": {"name": r.choice(["web", "s1", "a-b"]), "port": port}}}]}})
        if self.maybe(0.3):
            o["metadata"]["namespace"] = r.choice(["n1", "prod"])
        if self.maybe(0.3):
            o["metadata"]["annotations"] = {"text": r.choice(["---", "a: b", "{", "\\", "x\n---\ny", "'", "é\u2028", "#", "\t"])}
        return o

    def file(self):
        r, text = self.r, ""
        objects = [self.ingress(i) for i in range(r.randrange(1, 5))]
        if self.maybe(0.2):
            objects = [LIST | {"items": objects}]
        elif self.maybe(0.2):
            objects = [TYPED | {"items": [{k: o[k] for k in ("metadata", "spec")} for o in objects]}]
        if self.maybe(0.2):
            text = r.choice(["", "\n", " "]).join(json.dumps(o) for o in objects)
        else:
            for o in objects:
                text += r.choice(["---\n", "--- # c\n", "---\n---\n", "...\n---\n", "---  \n# c\n"]) if text or self.maybe() else ""
                text += self.document(o)
        slips = r.choice([0, 0, 0, 0, 0, 1, 1, 3])
        for _ in range(slips):  # of the hand
            at = r.randrange(len(text) + 1)
            text = text[:at] + r.choice(["", " ", "\n", ":", "-", "{", "}", '"', "'", "#", ",", "&a", "*a", "!", "|", "\t", "~", "\\", "0", "---\n"]) + text[at + r.randrange(3):]
        if self.maybe():
            text = text.replace("\n", "\r\n")
        data = (text.encode("utf-16") if self.maybe(0.1) else text.encode("utf-8-sig") if self.maybe(0.1) else text.encode())
        return r.choice(["f.yaml", "f.yaml", "f.json", "f.yml"]), data, slips == 0


def test_fuzz(tmp_path):
    """Files by random choices: FUZZ_FILES of them, from FUZZ_SEED on. Whatever kubectl takes means the same here."""
    first, count, taken = int(os.environ.get("FUZZ_SEED", "1")), int(os.environ.get("FUZZ_FILES", "150")), 0
    for seed in range(first, first + count):
        try:
            taken += agree(tmp_path, *Writer(seed).file())
        except AssertionError as e:
            raise AssertionError(f"FUZZ_SEED={seed}") from e
    assert taken > count / 4, "most files are such that nothing is compared"
