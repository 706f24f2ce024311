#!/usr/bin/env python3
"""What a request costs when something around it grows. Each part is one run of its own, interleaved over its rounds.

usage: scale.py hosts|endpoints|workers|idle-tls|syscalls|resumption|load|load-own… [--rounds 6] [--seconds 3] [--out FILE]

  hosts       1, 100 and 10,000 hosts of three paths, asked for at random: CPU time a request
  endpoints   3 and 1,000 endpoints of one Service: CPU time a request
  workers     one and two workers under the same load, nginx beside it: CPU time a request, and futex calls of the second
  idle-tls    20,000 TLS connections that do nothing (or as many as the limit of descriptors allows): latency of active ones at a constant rate
  syscalls    system calls a request of a steady h1, TLS and 64 KiB exchange (strace), nginx beside it
  resumption  the share of TLS connections that resume: over two workers, after a restart with the same key, with another
  load        10,000 Ingresses of two paths, as JSON and as YAML: CPU time until they are served, and resident memory then;
              SLUICE_BEFORE names others with colons between, which are measured in turn with it
  load-own    the same where no two Ingresses are alike: each has a rewrite-target and a whitelist-source-range of its own. Beside it
              the same Ingresses without annotations, and both with the binaries of SLUICE_BEFORE

SLUICE_BIN names the binary (else build/release/sluice). Prints a table for each part and keeps it in bench/results.
"""
import argparse, base64, json, os, pathlib, re, resource, socket, ssl, statistics, subprocess as sp, sys, time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import checks, clients, lab, peers  # noqa: E402
from proxies import PEERS, nginx, sluice  # noqa: E402
from scenarios import SCENARIOS  # noqa: E402
from work import Work  # noqa: E402

ROOT = lab.ROOT
LINES = []


def say(text=""):
    print(text, flush=True)
    LINES.append(text)


def best_and_median(values):
    return f"{min(values):.2f} | {statistics.median(values):.2f}"


def rows(title, cells):
    """cells: name → CPU times a request, one for each round."""
    first = next(iter(cells.values()))
    say(f"## {title}\n\n| | best | median | to the first, best | median |\n|---|---|---|---|---|")
    for name, values in cells.items():
        to = lambda pick: f"{(pick(values) / pick(first) - 1) * 100:+.1f} %"
        say(f"| {name} | {best_and_median(values)} | {to(min)} | {to(statistics.median)} |")
    say()


def one_round(who, scenario, seconds):
    s = SCENARIOS[scenario]
    return peers.measure(who, (PEERS[who], s, s.check, ""), seconds, 64)


def must_be_clean(result, name):
    if result["bad"]:
        sys.exit(f"{name}: {result}")
    return result


def hosts(a):
    # The floor reads no host: what changes for it is the client and the kernel, which touch 10,000 requests, too.
    scenarios = {"1 host": "h1-1k-1-host", "100 hosts": "h1-1k-100-hosts", "10,000 hosts": "h1-1k-10k-hosts"}
    cells = {(who, name): [] for who in ("sluice", "floor") for name in scenarios}
    for _ in range(a.rounds):
        for who, name in cells:
            cells[who, name].append(must_be_clean(one_round(who, scenarios[name], a.seconds), name)["cpu_us"])
    for who in ("sluice", "floor"):
        rows(f"{who}: CPU time a request by number of hosts, µs", {name: v for (w, name), v in cells.items() if w == who})


class Proxy:
    def start(self, command, core):
        self.process = sp.Popen(["taskset", "-c", core, *command], stdout=sp.DEVNULL, stderr=sp.DEVNULL)

    def __enter__(self):
        if not (lab.wait_port(lab.HTTP) and lab.wait_port(lab.TLS)):
            sys.exit(f"{type(self).__name__} does not listen")
        checks.plain(Work())
        return self

    def __exit__(self, *_):
        lab.stop(self.process)


class Nginx(Proxy):
    """Over the configuration of peers.py, edited by `edit`."""

    def __init__(self, edit, core="0"):
        command = nginx.command(Work(), nginx.find())
        conf = pathlib.Path(command[command.index("-c") + 1])
        conf.write_text(edit(conf.read_text()))
        self.start(command, core)


class Sluice(Proxy):
    """Over the manifests of peers.py, edited by `edit`, with further switches."""

    def __init__(self, edit=lambda text: text, switches=(), workers=1, core="0", shift=0):
        command = sluice.command(Work(), sluice.binary())
        command[command.index("--workers") + 1] = str(workers)
        manifest = pathlib.Path(lab.W) / "manifests/m.yaml"
        manifest.write_text(edit(manifest.read_text()))
        moved = {f"127.0.0.1:{port}": f"127.0.0.1:{port + shift}" for port in (lab.HTTP, lab.TLS)}
        self.start([*(moved.get(c, c) for c in command), *switches], core)


def wrk(seconds, core="1", scheme="http", connections=64):
    port = lab.HTTP if scheme == "http" else lab.TLS
    out = sp.run(["taskset", "-c", core, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-H", "Host: app.example.com",
                  f"{scheme}://127.0.0.1:{port}/api/users/1"], capture_output=True, text=True).stdout
    if "Non-2xx" in out or "Socket errors" in out:
        sys.exit(out)
    return int(re.search(r"(\d+) requests in", out)[1])


def cost(pid, seconds, **kw):
    wrk(1, **kw)
    before = lab.cpu(pid)
    requests = wrk(seconds, **kw)
    return (lab.cpu(pid) - before) / requests * 1e6


def endpoints(a):
    def with_endpoints(n):
        every = ", ".join(f"{{addresses: [127.0.{1 + i // 250}.{1 + i % 250}], conditions: {{ready: true}}}}" for i in range(n))
        return lambda text: re.sub(r"endpoints: \[.*\]", f"endpoints: [{every}]", text)

    def servers(n):
        every = " ".join(f"server 127.0.{1 + i // 250}.{1 + i % 250}:{lab.port_of('1k')};" for i in range(n))
        return lambda text: re.sub(r"keepalive \d+;", "keepalive 2000;", re.sub(r"server 127\.0\.0\.1:\d+;", every, text))

    # Room for all of them, so that no connection is opened anew. A thousand kept sockets are colder than 64, for any
    # proxy: nginx beside it tells how much of the difference is theirs.
    cells = {(who, n): [] for who in ("sluice", "nginx") for n in (3, 1000)}
    for _ in range(a.rounds):
        for n in (3, 1000):
            with Sluice(with_endpoints(n), ["--set", "upstream-keepalive-connections=2000"]) as p:
                cells["sluice", n].append(cost(p.process.pid, a.seconds))
            with Nginx(servers(n)) as p:
                cells["nginx", n].append(cost(p.process.pid, a.seconds))
    for name in ("sluice", "nginx"):
        rows(f"{name}: CPU time a request by number of endpoints, µs (a thousand kept connections included)",
             {f"{n:,} endpoints": v for (who, n), v in cells.items() if who == name})


def workers(a):
    both = "0,1"
    cells = {"sluice, 1 worker": [], "sluice, 2 workers": [], "nginx, 1 worker": [], "nginx, 2 workers": []}
    for _ in range(a.rounds):
        for n in (1, 2):
            with Sluice(workers=n, core=both) as p:
                cells[f"sluice, {n} worker{'s'[:n - 1]}"].append(cost(p.process.pid, a.seconds, core=both))
            with Nginx(lambda text: re.sub(r"worker_processes \d+", f"worker_processes {n}", text), core=both) as p:
                cells[f"nginx, {n} worker{'s'[:n - 1]}"].append(cost(p.process.pid, a.seconds, core=both))
    for name in ("sluice", "nginx"):
        rows(f"{name}: CPU time a request by number of workers, µs (client and pods on the same two cores)",
             {k: v for k, v in cells.items() if k.startswith(name)})
    with Sluice(workers=2, core=both) as p:
        wrk(1, core=both)
        requests, calls = counted(p.process.pid, lambda: wrk(3, core=both))
        say(f"System calls named futex during {requests} requests over two workers: {calls.get('futex', (0, 0))[0]}.\n")


def counted(pid, work):
    """What `work` returns, and the calls of the process meanwhile: name → (calls, errors)."""
    out = pathlib.Path(lab.W) / "strace"
    tracer = sp.Popen(["strace", "-c", "-f", "-o", str(out), "-p", str(pid)], stdout=sp.DEVNULL, stderr=sp.PIPE, text=True)
    tracer.stderr.readline()  # "attached"
    done = work()
    tracer.send_signal(2)
    tracer.wait()
    calls = {}
    for line in out.read_text().splitlines():
        if m := re.match(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(\d+)?\s*(\w+)$", line):
            calls[m[3]] = (int(m[1]), int(m[2] or 0))
    calls.pop("total", None)
    return done, calls


def syscalls(a):
    say("## System calls a request on kept connections (strace -c -f)\n\n| | | each request | of them |\n|---|---|---|---|")
    for name, size, scheme in (("h1 1 KiB", "1k", "http"), ("TLS 1 KiB", "1k", "https"), ("h1 64 KiB", "64k", "http"), ("TLS 64 KiB", "64k", "https")):
        for proxy in ("sluice", "nginx"):
            p = sp.Popen(["taskset", "-c", "0", *PEERS[proxy].command(Work(pod=size))], stdout=sp.DEVNULL, stderr=sp.DEVNULL)
            try:
                lab.wait_port(lab.HTTP if scheme == "http" else lab.TLS)
                wrk(1, scheme=scheme)
                requests, calls = counted(lab.tree(p.pid)[-1], lambda: wrk(3, scheme=scheme))
            finally:
                lab.stop(p)
            # The tracer slows the proxy down, so that more requests wait for each turn than without it.
            top = sorted(calls.items(), key=lambda c: -c[1][0])
            parts = [f"{k} {n / requests:.2f}" + (f" ({e / requests:.2f} in vain)" if e > requests / 100 else "")
                     for k, (n, e) in top if n > requests / 100]
            say(f"| {name} | {proxy} | {sum(n for n, _ in calls.values()) / requests:.2f} | {', '.join(parts)} |")
    say()


def session(context, saved=None):
    raw = socket.create_connection(("127.0.0.1", lab.TLS))
    s = context.wrap_socket(raw, server_hostname="app.example.com", session=saved)
    s.sendall(b"GET / HTTP/1.1\r\nHost: app.example.com\r\nConnection: close\r\n\r\n")
    answer = b""
    while chunk := s.recv(65536):
        answer += chunk
    assert answer.startswith(b"HTTP/1.1 200"), answer[:200]
    resumed, new = s.session_reused, s.session
    s.close()
    return resumed, new


def resumption(a):
    context = ssl._create_unverified_context()
    key = lambda: ["--set", "ssl-session-ticket-key=" + base64.b64encode(os.urandom(80)).decode()]
    one, other = key(), key()
    say("## TLS sessions resumed\n\n| | of 400 connections |\n|---|---|")

    def ask(sessions):
        """400 connections: where there is a session, it is offered. Several at once land on both workers."""
        resumed = 0
        for i in range(400):
            again, sessions[i % 20] = session(context, sessions[i % 20])
            resumed += again
        return resumed

    sessions = [None] * 20
    with Sluice(switches=one, workers=2, core="0,1") as p:
        say(f"| 20 clients in turn, two workers (the first of each is new) | {ask(sessions)} |")
    for name, switches in (("after a restart with the same key", one), ("after a restart with another key (the first of each is new)", other)):
        with Sluice(switches=switches, workers=2, core="0,1"):
            say(f"| {name} | {ask(sessions)} |")
    say()


def idle_tls(a):
    want = 20_000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (40_000, max(hard, 40_000)))
    except (ValueError, PermissionError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        want = min(want, hard - 500)
    client = f"{lab.BUILD}/openloop"
    context = ssl._create_unverified_context()

    def active():
        return json.loads(sp.run(["taskset", "-c", "1", client, "app.example.com", str(lab.HTTP), "4000", str(a.seconds * 2), "64", "1024"],
                                 stdout=sp.PIPE, text=True, check=True).stdout)

    def hold(port):
        held = []
        for _ in range(want):
            s = context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="app.example.com")
            s.sendall(b"GET / HTTP/1.1\r\nHost: app.example.com\r\n\r\n")
            while not s.recv(65536).endswith(b"x"):
                pass
            held.append(s)
        time.sleep(5)
        return held

    def still_there(held):
        for s in held[::100]:
            s.sendall(b"GET / HTTP/1.1\r\nHost: app.example.com\r\n\r\n")
            assert s.recv(64).startswith(b"HTTP/1.1 200"), "an idle connection has ended"
        for s in held:
            s.close()
        time.sleep(2)

    # They wait for a whole run and longer. Both their ends are on this machine, whose kernel works for them, too: what
    # it takes is told by holding them at a second Sluice while the first serves.
    patient = ["--set", "keep-alive=3600", "--set", "max-connections=30000"]
    cells = {}
    with Sluice(switches=patient) as p:
        active()
        cells["alone"] = [active() for _ in range(a.rounds)]
        before = lab.memory(p.process.pid)
        held = hold(lab.TLS)
        each = (lab.memory(p.process.pid) - before) / want
        cells["beside them, on the same worker"] = [active() for _ in range(a.rounds)]
        still_there(held)
        with Sluice(switches=patient, shift=100):
            held = hold(lab.TLS + 100)
            cells["beside them, held by another process"] = [active() for _ in range(a.rounds)]
            still_there(held)
    say(f"## {want} idle TLS connections: latency of 4,000 requests a second on 64 others, µs\n\n| | p50 | p99 | p99.9 | errors |\n|---|---|---|---|---|")
    for name, results in cells.items():
        m = lambda k: statistics.median(r[k] for r in results)
        say(f"| {name} | {m('p50_us'):.0f} | {m('p99_us'):.0f} | {m('p999_us'):.0f} | {sum(r['errors'] for r in results)} |")
    say(f"\nAn idle one takes {each:.1f} KB.\n")


def usual(i):
    return {"nginx.ingress.kubernetes.io/proxy-read-timeout": str(30 + i % 7), "nginx.ingress.kubernetes.io/ssl-redirect": "false"}


def own(i):
    """No other Ingress has the same."""
    return {"nginx.ingress.kubernetes.io/rewrite-target": f"/own-{i}",
            "nginx.ingress.kubernetes.io/whitelist-source-range": f"10.{i // 250}.{i % 250}.0/24,192.168.0.0/16"}


def objects(annotations_of):
    """10,000 Ingresses in 100 namespaces, each with a Service and its pods."""
    out = [{"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": "nginx"},
            "spec": {"controller": "k8s.io/ingress-nginx"}}]
    for n in range(100):
        meta = lambda name, **more: {"name": name, "namespace": f"ns-{n}", **more}
        out.append({"apiVersion": "v1", "kind": "Service", "metadata": meta("app"),
                    "spec": {"ports": [{"name": "http", "port": 80, "targetPort": 8080}]}})
        out.append({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
                    "metadata": meta("app-1", labels={"kubernetes.io/service-name": "app"}), "addressType": "IPv4",
                    "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
                    "endpoints": [{"addresses": [f"10.0.{n}.{k + 1}"], "conditions": {"ready": True}} for k in range(3)]})
    path = lambda at: {"path": at, "pathType": "Prefix", "backend": {"service": {"name": "app", "port": {"number": 80}}}}
    for i in range(10_000):
        annotations = annotations_of(i)
        out.append({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
                    "metadata": {"name": f"ing-{i}", "namespace": f"ns-{i % 100}", **({"annotations": annotations} if annotations else {})},
                    "spec": {"ingressClassName": "nginx",
                             "rules": [{"host": f"host-{i}.example", "http": {"paths": [path("/"), path("/api")]}}]}})
    return out


def block_style(value, indent=0):
    """YAML as people write it."""
    pad, out = " " * indent, ""
    for key, v in value.items():
        if isinstance(v, dict):
            out += f"{pad}{key}:\n" + block_style(v, indent + 2)
        elif isinstance(v, list):
            out += f"{pad}{key}:\n"
            for e in v:
                out += pad + "- " + (block_style(e, indent + 2)[indent + 2:] if isinstance(e, dict) else json.dumps(e) + "\n")
        else:
            plain = isinstance(v, str) and not v[:1].isdigit() and v not in ("true", "false")
            out += f"{pad}{key}: {v if plain else json.dumps(v)}\n"
    return out


STYLES = {"JSON": lambda some: json.dumps({"apiVersion": "v1", "kind": "List", "items": some}),
          "YAML": lambda some: "---\n".join(map(block_style, some))}
BOUND = 1.05


def written(all_objects, style, name):
    """A directory of them, a hundred in a file."""
    directory = pathlib.Path(lab.W) / f"load-{name}-{style}"
    directory.mkdir(parents=True, exist_ok=True)
    for at in range(0, len(all_objects), 100):
        (directory / f"{at // 100:04}.{style.lower()}").write_text(STYLES[style](all_objects[at:at + 100]))
    return directory


def version(path):
    return sp.run([path, "--version"], capture_output=True, text=True).stdout.strip() or pathlib.Path(path).name


def before_and_now():
    """Paths of the binaries: those of SLUICE_BEFORE, and the one that is measured."""
    return [*filter(None, os.environ.get("SLUICE_BEFORE", "").split(":"))], os.environ.get("SLUICE_BIN", str(ROOT / "build/release/sluice"))


def served_once(binary, directory):
    """CPU time until it is served, ms, and resident memory then, MB."""
    p = sp.Popen([binary, "serve", "--manifests", str(directory), "--workers", "1", "--access-log", "off",
                  *(word for port in ("http", "https", "admin") for word in (f"--{port}", "127.0.0.1:0"))],
                 stdout=sp.PIPE, stderr=sp.DEVNULL, text=True)
    try:
        if not any(line.startswith("ready") for line in p.stdout):
            sys.exit(f"{binary} does not become ready")
        cpu = time.clock_gettime(~p.pid << 3 | 2) * 1e3  # of all its threads, those that have ended too (clock_getcpuclockid)
        time.sleep(0.3)
        return cpu, int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{p.pid}/status").read_text())[1]) / 1000
    finally:
        p.kill()
        p.wait()


def load_rows(a, style, measured):
    """`measured`: name → (binary, directory), in turn in each round. Says a row of each, and returns its figures."""
    results = {name: [] for name in measured}
    for _ in range(a.rounds):
        for name, (binary, directory) in measured.items():
            results[name].append(served_once(binary, directory))
    figures = {}
    for name, found in results.items():
        cpu, resident = zip(*found)
        figures[name] = min(cpu), statistics.median(cpu), statistics.median(resident)
        say(f"| {style} | {name} | {figures[name][0]:.0f} | {figures[name][1]:.0f} | {figures[name][2]:.1f} |")
    return figures


LOAD_HEAD = "| | | CPU time, best, ms | median | resident, median, MB |\n|---|---|---|---|---|"


def load(a):
    before, now = before_and_now()
    say(f"## 10,000 Ingresses until they are served\n\n{LOAD_HEAD}")
    all_objects = objects(usual)
    for style in STYLES:
        directory = written(all_objects, style, "usual")
        load_rows(a, style, {version(path): (path, directory) for path in (*before, now)})
    say()


def must_serve_own(binary, directory):
    """What is measured is served: the path is another for pods, and who is not on the list is refused."""
    for address, word in (("10.0.7.1", "/own-7"), ("10.0.8.1", "403")):
        out = sp.run([binary, "explain", str(directory), "GET", "http://host-7.example/api", "--from", address], capture_output=True, text=True)
        if word not in out.stdout:
            sys.exit(f"{binary} explain says nothing of {word} for {address}:\n{out.stdout}{out.stderr}")


def load_own(a):
    before, now = before_and_now()
    say(f"## 10,000 Ingresses, each with a rewrite-target and a whitelist-source-range of its own, until they are served\n\n{LOAD_HEAD}")
    ratios = []
    for style in STYLES:
        plain, each = written(objects(lambda i: {}), style, "plain"), written(objects(own), style, "own")
        must_serve_own(now, each)
        rows = {f"{version(path)}, {what}": (path, directory) for path in (*before, now) for what, directory in (("without annotations", plain), ("each its own", each))}
        figures = load_rows(a, style, rows)
        measured = list(rows)[-1]
        ratios += [(style, base, [m / b for m, b in zip(figures[measured], figures[base])]) for base in list(rows)[:-1]]
    say(f"\nWhat {version(now)} takes for all 10,000 with both annotations, which it serves, by what the others take for the same objects (a version that "
        f"does not serve them reads them and reports them), and for the same without any annotation. The bound, for the same objects, is {BOUND} of memory and time.\n")
    say("| | CPU time, best | median | resident | |\n|---|---|---|---|---|")
    for style, base, (best, median, resident) in ratios:
        judged = ("within" if max(best, resident) <= BOUND else "above") if base.endswith("own") else ""
        say(f"| {style}, to {base} | {best:.2f} | {median:.2f} | {resident:.2f} | {judged} |")
    say()


PARTS = {"hosts": hosts, "endpoints": endpoints, "workers": workers, "idle-tls": idle_tls, "syscalls": syscalls, "resumption": resumption, "load": load, "load-own": load_own}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("parts", nargs="+", choices=[*PARTS, "all"])
    p.add_argument("--rounds", type=int, default=6)
    p.add_argument("--seconds", type=int, default=3)
    p.add_argument("--out")
    a = p.parse_args()
    lab.build()
    commit = sp.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    say(f"# Scale, {time.strftime('%F')}\n\nCommit {commit}, {os.cpu_count()} cores, Linux {os.uname().release}. {a.rounds} interleaved rounds of {a.seconds} s.\n"
        f"Differs from the shipped defaults: {sluice.SWITCHES} --access-log off\n")
    with lab.Pods(["1k", "64k"]):
        for part in PARTS if "all" in a.parts else a.parts:
            PARTS[part](a)
    out = pathlib.Path(a.out) if a.out else ROOT / f"bench/results/{time.strftime('%F')}-scale.md"
    out.write_text("\n".join(LINES).rstrip() + "\n")
    print(f"kept in {out}", file=sys.stderr)


if __name__ == "__main__":
    main()
