"""Tests that measure time have the machine to themselves: mark them with pytest.mark.alone.

Several workers (pytest-xdist) run tests at a time. Who measures waits until the others' tests have ended, and nobody begins another
one until it has: whoever comes later waits at the gate.
"""
import fcntl

import pytest


def pytest_configure(config):
    config.addinivalue_line("markers", "alone: measures time; no other test runs meanwhile")
    config.addinivalue_line("markers", "lifetimes: run under sanitizers by CI too (conftest.py)")
    config.addinivalue_line("markers", "at_scale: what is promised of an optimised binary in a large cluster; not run with another one")


@pytest.fixture(autouse=True)
def room(request, tmp_path_factory):
    if not hasattr(request.config, "workerinput"):  # one worker
        yield
        return
    shared = tmp_path_factory.getbasetemp().parent
    with open(shared / "gate.lock", "w") as gate, open(shared / "room.lock", "w") as taken:
        fcntl.flock(gate, fcntl.LOCK_EX)
        fcntl.flock(taken, fcntl.LOCK_EX if request.node.get_closest_marker("alone") else fcntl.LOCK_SH)
        fcntl.flock(gate, fcntl.LOCK_UN)
        yield
