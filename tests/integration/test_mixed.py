"""Changes under HTTP/1.1, HTTP/2, gRPC and WebSockets at once, in the short form of tests/chaos/mixed.py."""
import json
import subprocess
import sys

import pytest

from harness import ROOT, SLOW, need


def test_changes_under_mixed_load():
    need("h2load")
    pytest.importorskip("grpc", reason="python3-grpcio is not installed: this test did NOT run")
    r = subprocess.run([sys.executable, ROOT / "tests/chaos/mixed.py", "--short"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300 * SLOW)
    out = json.loads(r.stdout)
    assert r.returncode == 0 and out["good"], out["failures"]
    assert out["failed"] == 0 and out["exchanges"] > 30_000 and out["tunnels_lost"] == 0
