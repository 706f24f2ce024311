"""The gRPC project's own interop client and server, a Go client and server of bytes, and grpc-health-probe, through the proxy."""
import subprocess

import pytest

from grpc_pod import HOST, GrpcPod
from harness import SLOW, Process, free_port, need_conformance_tool, wait_port
from middle import middle

# Those that need neither a cloud nor several servers.
CASES = """empty_unary large_unary client_streaming server_streaming ping_pong empty_stream timeout_on_sleeping_server cancel_after_begin
cancel_after_first_response status_code_and_message special_status_message custom_metadata unimplemented_method unimplemented_service""".split()


class InteropServer(Process):
    def __init__(self):
        self.address = f"127.0.0.1:{free_port()}"
        super().__init__([need_conformance_tool("grpc-interop-server"), "-port", self.address.rsplit(":", 1)[1]])
        wait_port(self.address, self)


class GoServer(Process):
    def __init__(self):
        super().__init__([need_conformance_tool("grpcgo"), "serve"])
        self.address = self.wait_line(r"listening (\S+)").group(1)


def through(site, pod):
    """A proxy for every host, as what comes by address names none, and for HOST."""
    proxy = middle(site, pod, HOST, grpc=True, annotations={"proxy-body-size": "0"})
    if hasattr(proxy, "changed"):
        proxy.changed(lambda: site.app("", pod.address, name="any", annotations={"backend-protocol": "GRPC", "proxy-body-size": "0"}))
    (site.tmp / "ca.pem").write_text(proxy.authority)
    return proxy


def run(*argv, seconds=120):
    r = subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds * SLOW)
    assert r.returncode == 0, r.stdout[-4000:]
    return r.stdout


@pytest.fixture(scope="module")
def interop(tmp_path_factory):
    from conftest import Site
    client = need_conformance_tool("grpc-interop-client")
    site = Site(tmp_path_factory.mktemp("interop"))
    yield site, client, through(site, site.add(InteropServer()))
    site.stop()


@pytest.mark.parametrize("tls", [False, True], ids=["h2c", "tls"])
@pytest.mark.parametrize("case", CASES)
def test_interop(interop, case, tls):
    site, client, proxy = interop
    host, port = (proxy.https if tls else proxy.http).rsplit(":", 1)
    run(client, "-server_host", host, "-server_port", port, "-test_case", case,
        *(["-use_tls", "-use_test_ca", "-ca_file", site.tmp / "ca.pem", "-server_host_override", HOST] if tls else []))


@pytest.mark.parametrize("tls", [False, True], ids=["h2c", "tls"])
def test_go_client_and_server(site, tls):
    pod = site.add(GoServer())
    proxy = through(site, pod)
    out = run(need_conformance_tool("grpcgo"), "call", proxy.https if tls else proxy.http, "-host", HOST, *(["-ca", site.tmp / "ca.pem"] if tls else []))
    assert out.endswith("ok\n"), out


@pytest.mark.parametrize("tls", [False, True], ids=["h2c", "tls"])
def test_health_probe(site, tls):
    probe = need_conformance_tool("grpc-health-probe")
    proxy = through(site, site.add(GrpcPod()))
    out = run(probe, "-addr", proxy.https if tls else proxy.http,
              *(["-tls", "-tls-ca-cert", site.tmp / "ca.pem", "-tls-server-name", HOST] if tls else []))
    assert "SERVING" in out
