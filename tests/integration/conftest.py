import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import harness  # noqa: E402
from alone import pytest_configure, room  # noqa: E402, F401

# What begins, waits, is given up and ends in many orders: these find most of what a sanitizer can find. `make asan` runs all files, CI these.
LIFETIMES = """balancing canary change client_certificates early_answers error_pages external_auth fastcgi framing grpc health_checks h2_floods h2_lifecycle h2_upstream
h2_websocket lifecycle logs malformed h2_malformed mirrors order_of_changes passthrough retries secrets snippet_auth tls upstream""".split()


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.stem.removeprefix("test_") in LIFETIMES:
            item.add_marker("lifetimes")


class Site:
    """What most tests start from: a directory of manifests, pods and the proxy, all ended when the test ends."""

    def __init__(self, tmp):
        self.tmp = Path(tmp)
        self.manifests = harness.Manifests(self.tmp / "manifests")
        self.children = []

    def add(self, child):
        self.children.append(child)
        return child

    def pod(self, name="pod", *args, listeners=1):
        return self.add(harness.StrictPod(name, listeners, *args))

    def scripted(self, handler):
        return self.add(harness.ScriptedPod(handler))

    def nginx(self, server, **kw):
        return self.add(harness.NginxPod(self.tmp, server, **kw))

    def echo(self, *args):
        return self.add(harness.Echo(*args))

    def app(self, host, addresses, **kw):
        return self.manifests.app(host, addresses, **kw)

    def sluice(self, *args, **kw):
        return self.add(harness.Sluice(self.manifests, *args, **kw))

    def tool(self, name, *args):
        return self.add(harness.Tool(name, *map(str, args)))

    def simple(self, host="app.example", annotations=None, pod_args=(), **kw):
        """One strict pod behind one host; returns (proxy, pod)."""
        pod = self.pod("pod", *pod_args)
        self.app(host, pod.address, annotations=annotations)
        return self.sluice(**kw), pod

    def stop(self):
        errors = []
        for child in reversed(self.children):
            try:
                if isinstance(child, harness.Sluice) and child.proc.poll() is None:
                    child.stop(harness.signal.SIGTERM, 1)
                    child.check_clean()
                else:
                    child.stop()
            except AssertionError as e:
                errors.append(e)
        if errors:
            raise errors[0]


@pytest.fixture
def site(tmp_path):
    s = Site(tmp_path)
    yield s
    # The oracle watches every test: what reached a strict pod parsed strictly.
    problems = []
    for child in s.children:
        if isinstance(child, harness.StrictPod) and child.proc.poll() is None:
            stats = child.stats()
            if stats["violations"]:
                problems.append((child.argv, stats["violation_samples"]))
    s.stop()
    assert not problems, problems


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" and report.failed:
        site = item.funcargs.get("site")
        for child in getattr(site, "children", []):
            if isinstance(child, harness.Sluice):
                report.sections.append(("sluice", " ".join(child.argv) + "\n" + "\n".join(child.out[-30:] + child.err[-40:])))
