"""The machine's side of a measurement: where files lie, ports, pods, processes and what they cost. Knows no proxy."""
import atexit, base64, os, pathlib, re, shutil, signal, socket, subprocess as sp, sys, tempfile, time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
W = tempfile.mkdtemp(prefix="peers-")  # configurations, certificates, logs; gone when the process ends
BUILD = os.path.join(W, "bin")
HTTP, TLS = 18080, 18443  # where every proxy listens, one after the other
LOG = f"{W}/access.log"
HZ = os.sysconf("SC_CLK_TCK")
HOST = "app.example.com"

# Pods by name: port and arguments of backend.cpp, or grpcpod.cpp where there are none. All on core 1.
PODS = {
    "1k": (19001, ["1024"]),
    "64k": (19002, ["65536"]),
    "1m": (19003, ["1048576"]),
    "empty": (19004, ["0"]),
    "next": (19005, ["1024"]),
    "json": (19006, ["65536", "json"]),
    "auth": (19007, ["0", "require=Authorization", "field=X-Auth-User: alice"]),
    "upload": (19008, ["2", "expect=1048576"]),
    "echo": (19009, ["2"]),
    "grpc": (19010, None),
}


def port_of(pod):
    return PODS[pod][0]


# Address ranges of a list of 50: the last one alone has the client in it.
RANGES = [f"10.{i}.{i * 5 % 256}.0/24" for i in range(1, 25)] + [f"172.16.{i}.0/{24 + i % 5}" for i in range(25)] + ["127.0.0.1/32"]

bound = []


def bind_into(root):
    """Makes W visible inside of `root`, for a proxy that runs in a tree of its own."""
    inside = f"{root}{W}"
    if inside not in bound:
        os.makedirs(inside, exist_ok=True)
        sp.run(["mount", "--bind", W, inside], check=True)
        bound.append(inside)


def clean():
    for d in bound:
        sp.run(["umount", d])
        os.rmdir(d)
    shutil.rmtree(W, ignore_errors=True)


atexit.register(clean)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that who ends us ends the pods and proxies, too


def write(name, text):
    path = pathlib.Path(W) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def render(text, **values):
    """Puts values in place of @NAME@; one that is not known is a mistake in the configuration."""
    def value(m):
        if m[1] not in values:
            raise SystemExit(f"@{m[1]}@ stands for nothing; there are {', '.join(sorted(values))}")
        return str(values[m[1]])
    return re.sub(r"@([A-Z]+)@", value, text)


def certificate():
    key, crt, pem = (f"{W}/tls.{end}" for end in ("key", "crt", "pem"))
    if not os.path.exists(crt):
        sp.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", crt,
                "-days", "30", "-subj", f"/CN={HOST}", "-addext", "subjectAltName=DNS:*.example.com,DNS:localhost"], check=True, capture_output=True)
        pathlib.Path(pem).write_text(pathlib.Path(crt).read_text() + pathlib.Path(key).read_text())
    return key, crt, pem


def values(work):
    """What every configuration may name."""
    key, crt, pem = certificate()
    return {"HTTP": HTTP, "TLS": TLS, "DIR": W, "LOG": LOG, "KEY": key, "CRT": crt, "PEM": pem, "UP": port_of(work.pod),
            "NEXT": port_of("next"), "AUTH": port_of("auth"), "RPS": work.rps, "BURST": work.rps * 5}


def base64_of(path):
    return base64.b64encode(pathlib.Path(path).read_bytes()).decode()


# What is compiled with which libraries.
TOOLS = {"floor": [], "backend": ["-lcrypto"], "grpcpod": ["-lnghttp2"], "newclients": ["-lssl", "-lcrypto"], "openloop": [],
         "messages": [], "calls": ["-lnghttp2", "-lssl", "-lcrypto"]}


def build(names=tuple(TOOLS)):
    os.makedirs(BUILD, exist_ok=True)
    for name in names:
        sp.run(["g++", "-O2", "-std=c++20", "-pthread", "-o", f"{BUILD}/{name}", f"{HERE}/{name}.cpp", *TOOLS[name]], check=True)


class Pods:
    """Runs these pods while the block lasts."""

    def __init__(self, names=tuple(PODS)):
        self.names, self.running = dict.fromkeys(names), []

    def __enter__(self):
        for name in self.names:
            port, arguments = PODS[name]
            if wait_port(port, 0.01):
                raise SystemExit(f"port {port} answers before the pod {name} was started: end what an earlier run left there")
            command = [f"{BUILD}/backend", str(port), *arguments] if arguments else [f"{BUILD}/grpcpod", str(port)]
            self.running.append(sp.Popen(["taskset", "-c", "1", *command]))
        for name in self.names:
            if not wait_port(port_of(name)):
                raise SystemExit(f"the pod {name} does not listen")
        return self

    def __exit__(self, *_):
        for p in self.running:
            p.terminate()
            p.wait()

    def cpu(self):
        return sum(cpu(p.pid) for p in self.running)


def wait_port(port, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return True
        except OSError:
            time.sleep(0.05)
    return False


def start(command, log, core="0"):
    for port in (HTTP, TLS):  # SO_REUSEPORT would let a proxy share the port with one that an aborted run left
        if wait_port(port, 0.01):
            raise SystemExit(f"port {port} answers before {command[0]} was started: end what an earlier run left there")
    with open(log, "w") as out:
        return sp.Popen(["taskset", "-c", core, *command], stdout=out, stderr=sp.DEVNULL if log == LOG else sp.STDOUT)


def tree(pid):
    """The process and all that descend from it."""
    out = [pid]
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as f:
                for child in f.read().split():
                    out += tree(int(child))
    except (FileNotFoundError, ProcessLookupError):
        pass
    return out


def schedstat(pid):
    """Nanoseconds that the tree has run, and that it has waited for a core."""
    ran = waited = 0
    for p in tree(pid):
        try:
            for task in os.listdir(f"/proc/{p}/task"):
                a, b, _ = pathlib.Path(f"/proc/{p}/task/{task}/schedstat").read_text().split()
                ran, waited = ran + int(a), waited + int(b)
        except (FileNotFoundError, ProcessLookupError):
            pass
    return ran, waited


def cpu(pid):
    """Seconds of CPU time, user and system, of the tree: from schedstat, and of processes that have ended (a reload) from what
    their parents were told."""
    ended = 0
    for p in tree(pid):
        try:
            ended += sum(map(int, pathlib.Path(f"/proc/{p}/stat").read_text().rsplit(")", 1)[1].split()[13:15]))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return schedstat(pid)[0] / 1e9 + ended / HZ


def user_time(pid):
    s = 0
    for p in tree(pid):
        try:
            s += int(pathlib.Path(f"/proc/{p}/stat").read_text().rsplit(")", 1)[1].split()[11]) / HZ
        except (FileNotFoundError, ProcessLookupError):
            pass
    return s


def memory(pid):
    """KB, shared pages by their shares."""
    kb = 0
    for p in tree(pid):
        try:
            kb += sum(int(line.split()[1]) for line in open(f"/proc/{p}/smaps_rollup") if line.startswith("Pss:"))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return kb


def stop(process):
    left = tree(process.pid)[1:]
    process.terminate()
    try:
        process.wait(5)
    except sp.TimeoutExpired:
        process.kill()
        process.wait()
    for pid in left:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    end = time.monotonic() + 5
    while (wait_port(HTTP, 0.01) or wait_port(TLS, 0.01)) and time.monotonic() < end:
        time.sleep(0.05)


def output(*command):
    """First line that a command prints, wherever it prints it, or nothing."""
    try:
        done = sp.run(command, capture_output=True, text=True)
        return ((done.stdout + done.stderr).strip().splitlines() or [""])[0].strip()
    except OSError:
        return ""


def machine():
    cpuinfo = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", cpuinfo)
    return {"cores": os.cpu_count(), "cpu": model[1] if model else "unknown", "kernel": os.uname().release,
            "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
            "load": pathlib.Path("/proc/loadavg").read_text().split()[0],
            "commit": output("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"), "at": time.strftime("%F %H:%M UTC", time.gmtime())}
