"""An attack by clients that hold memory, and those beside it that behave."""
import threading
import time

import slow_clients
from harness import Raw


class Healthy:
    """Clients that behave, all through an attack: one that keeps its connection as long as it is let, and a new one for each request."""

    def __init__(self, proxy, host="app.example"):
        self.proxy, self.host = proxy, host
        self.kept = self.new = 0
        self.failures, self.slowest = [], 0.0
        self.over = threading.Event()
        self.threads = [threading.Thread(target=f) for f in (self._keep, self._renew)]
        for t in self.threads:
            t.start()

    def _ask(self, c):
        begun = time.monotonic()
        a = c.get("/?size=1000", self.host)
        self.slowest = max(self.slowest, time.monotonic() - begun)
        assert a.status == 200, a
        assert len(a.body) == 1000
        return (a.get("Connection") or "").lower() == "close"

    def _keep(self):
        c = None
        while not self.over.wait(0.02):
            try:
                c = c or Raw(self.proxy.http)
                if self._ask(c):
                    c.close()
                    c = None
                self.kept += 1
            except Exception as e:  # counted: the test says what it makes of it
                self.failures.append(f"kept: {e!r}")
                c = None
        if c:
            c.close()

    def _renew(self):
        while not self.over.wait(0.02):
            try:
                with Raw(self.proxy.http) as c:
                    self._ask(c)
                self.new += 1
            except Exception as e:
                self.failures.append(f"new: {e!r}")

    def stop(self):
        self.over.set()
        for t in self.threads:
            t.join()


class Peak:
    """The highest of what `read` gives, until stop()."""

    def __init__(self, read):
        self.read, self.highest, self.over = read, 0, threading.Event()
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()

    def _watch(self):
        while not self.over.wait(0.005):
            self.highest = max(self.highest, self.read())

    def stop(self):
        self.over.set()
        self.thread.join()
        return self.highest


def actions(proxy):
    return {a: proxy.metric("sluice_overload_actions_total", action=a) for a in ("idle_closed", "slow_reset", "request_refused", "accept_paused")}


def open_all(proxy, kind, count, threads=8):
    """As many clients at once as several threads make; those that were reset are made again, as an attacker does."""
    held, lock = [], threading.Lock()
    end = time.monotonic() + 120

    def work(n):
        for _ in range(n):
            while time.monotonic() < end:
                try:
                    s = slow_clients.opened(proxy, kind)
                    break
                except (OSError, AssertionError):
                    pass
            else:
                return
            with lock:
                held.append(s)
    workers = [threading.Thread(target=work, args=(count // threads,)) for _ in range(threads)]
    for t in workers:
        t.start()
    for t in workers:
        t.join()
    return held
