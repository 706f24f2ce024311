"""auth-type: digest with a client that tests/integration cannot have: Apache HttpClient, over HTTP/1.1 and HTTP/2."""
import base64
import hashlib
import json
import subprocess

import pytest

from harness import SLOW, need
from middle import middle
from test_refused_uploads import TOOLS, there

REALM = "My realm"


@pytest.mark.parametrize("version", ["1", "2"])
def test_apache(site, version):
    user = f"foo:{REALM}:{hashlib.md5(f'foo:{REALM}:bar'.encode()).hexdigest()}\n"
    site.manifests.text("users.json", json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "users", "namespace": "default"},
                                                  "data": {"auth": base64.b64encode(user.encode()).decode()}}))
    pod = site.pod()
    sluice = middle(site, pod, host="", annotations={"auth-type": "digest", "auth-secret": "users", "auth-realm": REALM})
    url = f"http://{sluice.http}" if version == "1" else f"https://{sluice.https}"
    for password, statuses in (("bar", ["200"] * 3), ("wrong", ["401"] * 3)):
        r = subprocess.run([need("java"), "-Xmx512m", "-cp", f"{there(TOOLS / 'clients-java' / 'classes')}:{TOOLS / 'clients-java' / 'jars'}/*", "Digest", url, password],
                           capture_output=True, text=True, timeout=120 * SLOW)
        assert r.stdout.split() == statuses, r.stdout + r.stderr[-2000:]
    assert pod.stats()["requests"] == 3
    assert "authorization" not in [n.lower() for n, _ in pod.last_headers()[1]]
    # It counts up on its nonce: asked once for all three.
    asked = sluice.metric("sluice_auth_passwords_total", result="right")
    assert asked == 3, asked
