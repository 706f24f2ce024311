"""What a client costs that takes memory and gives nothing for it: measured while it stands there (slow_clients.py has the kinds)."""
import pytest

import slow_clients
from harness import SANITIZED
from middle import middle

# KB of anonymous memory a client, at most: what waits for it, what was received from it, and 8 KB; 12 with an exchange under way, whose
# memory is a page and whose frames are 6 KB in a debug build. How much of TAIL is in use is the kernel's choice: the bound holds for all
# of it. What OpenSSL holds is 16 KB a connection, 40 in a handshake; what nghttp2 holds, 14; a coding's is in docs/compression.md.
TAIL = 20  # Stream::kKept
BOUNDS = {
    "idle": (300, 3),
    "idle_tls": (100, 20),
    "unfinished_head": (500, 8),
    "unfinished_tls_head": (100, 16 + 8),
    "half_handshake": (100, 44),
    "slow_reader": (500, TAIL + 12),
    "slow_chunked_reader": (300, TAIL + 12),
    "slow_gzip_reader": (50, TAIL + 12 + 264),
    "slow_brotli_reader": (20, TAIL + 12 + 2100),
    "slow_zstd_reader": (20, TAIL + 12 + 1560),
    "slow_tls_reader": (150, TAIL + 16 + 12),
    "slow_upload": (100, slow_clients.UPLOADED / 1000 * 1.25 + 8),
    "tunnel": (100, 2 * TAIL + 8),  # nobody reads at either end, and each may have its tail
    "h2_idle": (300, 16),
    "h2_unfinished_head": (300, 16 + 8),
    "h2_one_shut_window": (300, 16 + 16 + 17),  # 47.9 to 48.0 in a debug build, whose frames hold each temporary
    "h2_shut_windows": (10, 16 + 128 + 100 * (4 + 12)),
    "h2_shut_windows_tls": (10, 32 + 128 + 100 * (4 + 12)),
    "h2_unread": (10, 16 + TAIL + 128 + 100 * (4 + 12)),
}


@pytest.mark.skipif(SANITIZED, reason="a sanitizer has an allocator of its own: memory a client was NOT measured")
@pytest.mark.parametrize("kind", BOUNDS)
def test_memory_of_a_client(site, kind):
    slow_clients.raise_descriptors()
    clients, bound = BOUNDS[kind]
    pod = site.pod("pod", "--forget-ids")
    proxy = middle(site, pod, h2=kind.startswith("h2"), options=slow_clients.OPTIONS.get(kind), access_log="off")
    cost = slow_clients.kb_a_client(proxy, kind, clients)
    print(f"{kind}: {cost:.1f} KB each of {clients}")
    assert cost <= bound
