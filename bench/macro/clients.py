"""The load: each function runs one client on core 1 for some seconds and tells what was answered."""
import dataclasses, json, re, subprocess as sp

import lab


@dataclasses.dataclass
class Load:
    good: int
    bad: int
    p99_ms: float = 0.0


def run(*command):
    done = sp.run(["taskset", "-c", "1", *map(str, command)], capture_output=True, text=True)
    if not done.stdout:
        raise RuntimeError(f"{command[0]} says nothing but {done.stderr[-200:]!r}")
    return done.stdout


def milliseconds(text):
    """Of wrk's figures; nothing was answered where it says none."""
    m = re.match(r"([\d.]+)(us|ms|s|m|h)", text)
    return float(m[1]) * {"us": 1e-3, "ms": 1, "s": 1e3, "m": 6e4, "h": 3.6e6}[m[2]] if m else 0.0


def wrk(secs, conns, scheme="http", script="", headers=(), path="/api/users/1"):
    port = lab.HTTP if scheme == "http" else lab.TLS
    fields = [word for h in (f"Host: {lab.HOST}", *headers) for word in ("-H", h)]
    lua = ["-s", lab.write("wrk.lua", script)] if script else []
    out = run("wrk", "-t1", f"-c{conns}", f"-d{secs}s", "--latency", *fields, *lua, f"{scheme}://127.0.0.1:{port}{path}")
    requests = int(re.search(r"(\d+) requests in", out)[1])
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", out)
    bad = (int(refused[1]) if refused else 0) + (sum(map(int, errors.groups())) if errors else 0)
    return Load(requests, bad, milliseconds(re.search(r"99%\s+(\S+)", out)[1]))


def in_turn(requests):
    """A script of wrk that sends these whole requests one after the other."""
    quoted = ",\n".join('"' + r.replace("\\", "\\\\").replace('"', '\\"').replace("\r", "\\r").replace("\n", "\\n") + '"' for r in requests)
    return f"local all = {{\n{quoted}\n}}\nlocal i = 0\nrequest = function()\n  i = i % #all + 1\n  return all[i]\nend\n"


def hosts_at_random(n):
    return f"""local all = {{}}
math.randomseed(7)
for i = 0, {n - 1} do all[i] = wrk.format('GET', '/api/users/' .. i, {{['Host'] = 'h' .. i .. '.example.com'}}) end
request = function() return all[math.random(0, {n - 1})] end
"""


def upload(chunked):
    """A POST of 1 MiB: with its length, or in 64 chunks of 16 KiB."""
    head = f"POST /files HTTP/1.1\\r\\nHost: {lab.HOST}\\r\\nContent-Type: application/octet-stream\\r\\n"
    if chunked:
        return f"local one = '4000\\r\\n' .. string.rep('u', 16384) .. '\\r\\n'\nlocal all = '{head}Transfer-Encoding: chunked\\r\\n\\r\\n' .. string.rep(one, 64) .. '0\\r\\n\\r\\n'\nrequest = function() return all end\n"
    return f"local all = '{head}Content-Length: 1048576\\r\\n\\r\\n' .. string.rep('u', 1048576)\nrequest = function() return all end\n"


def h2load(secs, conns):
    out = run("h2load", "-t1", "-c", max(1, conns // 8), "-m", "8", "-D", secs, "--connect-to", f"127.0.0.1:{lab.TLS}", f"https://{lab.HOST}:{lab.TLS}/api/users/1")
    failed = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored", out)
    return Load(int(re.search(r"status codes: (\d+) 2xx", out)[1]), int(failed[2]) + int(failed[3]))


def newclients(secs, conns):
    """wrk resumes its sessions; these clients never do."""
    m = re.search(r"(\d+) requests in \S+ seconds, (\d+) bad", run(f"{lab.BUILD}/newclients", lab.TLS, secs, max(1, conns // 4), lab.HOST, "/api/users/1"))
    return Load(int(m[1]), int(m[2]))


def of_json(out):
    r = json.loads(out)
    return Load(r["answered"] - r["errors"], r["errors"], r["p99_us"] / 1000)


def calls(secs, conns, method, messages, rate=0):
    return run(f"{lab.BUILD}/calls", lab.HOST, lab.TLS, method, messages, rate, secs, max(1, conns // 8), 8)


def messages(secs, conns, rate=0):
    return run(f"{lab.BUILD}/messages", lab.HOST, lab.HTTP, "/chat", rate, secs, conns, 128)


def openloop(secs, conns, rate, body, requests):
    return run(f"{lab.BUILD}/openloop", lab.HOST, lab.HTTP, rate, secs, conns, body, lab.write("requests", "".join(requests)))
