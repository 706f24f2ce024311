"""Objects that belong together change one after the other: no request fails in between, whichever comes first."""
import itertools
import threading

import pytest

from harness import certificate, endpoint_slice, ingress, serial_of, service, tls_secret, wait_for


class Asking:
    """Requests one after the other on one connection, from its own thread, until it is left."""

    def __init__(self, sluice, host="app.example"):
        self.sluice, self.host, self.seen, self.over = sluice, host, [], threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        with self.sluice.raw() as c:
            while not self.over.is_set():
                self.seen.append(c.get("/", self.host).status)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def more(self, n=30):
        """So many more have been answered since."""
        before = len(self.seen)
        wait_for(lambda: len(self.seen) >= before + n, "more requests")


def put(site, what, *objects):
    site.manifests.write(f"{what}.yaml", *objects)


marks = itertools.count()


def live(sluice, site, change):
    """Makes a change and waits until it is served: a new host comes behind it, as it may be none for what is served.
    That the host is there says so; a newer Snapshot may be one of the change before."""
    change()
    host = f"mark{next(marks)}.example"
    put(site, "mark", ingress("mark", {host: "app"}))
    wait_for(lambda: sluice.get("/", host).status != 404, f"{host} is served")


@pytest.mark.parametrize("target", [None, "pod-port"], ids=["number", "named"])
@pytest.mark.parametrize("first", ["service", "slices"])
@pytest.mark.parametrize("before, after", [("http", "http-web"), ("", "http"), ("http", "")])
def test_a_port_is_renamed(site, before, after, first, target):
    pod = site.pod()
    port = int(pod.address.rsplit(":", 1)[1])
    states = {"service": lambda name: service("app", target=target or port, port_name=name), "slices": lambda name: endpoint_slice("app", [pod.address], port_name=name)}
    put(site, "ingress", ingress("app", {"app.example": [("/", "Prefix", "app", 80)]}))
    for what, form in states.items():
        put(site, what, form(before))
    sluice = site.sluice(options={"keep-alive-requests": 0})
    with Asking(sluice) as asking:
        for what in sorted(states, key=lambda w: w != first):
            live(sluice, site, lambda: put(site, what, states[what](after)))
            asking.more()
    assert set(asking.seen) == {200}


@pytest.mark.parametrize("order", list(itertools.permutations(("service", "ingress", "slices"))), ids="-".join)
def test_the_port_that_an_ingress_names_is_renamed(site, order):
    pod = site.pod()
    put(site, "ingress", ingress("app", {"app.example": [("/", "Prefix", "app", "http")]}))
    put(site, "service", service("app"))
    put(site, "slices", endpoint_slice("app", [pod.address]))
    sluice = site.sluice(options={"keep-alive-requests": 0})
    with Asking(sluice) as asking:
        made = {"service": service("app", port_name="web"), "ingress": ingress("app", {"app.example": [("/", "Prefix", "app", "web")]}),
                "slices": endpoint_slice("app", [pod.address], port_name="web")}
        for what in order:
            live(sluice, site, lambda: put(site, what, made[what]))
            asking.more()
    assert set(asking.seen) == {200}


def test_a_service_is_deleted_and_made_anew(site):
    pod = site.pod()
    put(site, "ingress", ingress("app", {"app.example": [("/", "Prefix", "app", 80)]}))
    put(site, "service", service("app"))
    put(site, "slices", endpoint_slice("app", [pod.address]))
    sluice = site.sluice(options={"keep-alive-requests": 0})
    with Asking(sluice) as asking:
        live(sluice, site, lambda: site.manifests.remove("service.yaml"))
        asking.more()
        live(sluice, site, lambda: put(site, "service", service("app")))
        asking.more()
        assert set(asking.seen) == {200}
        site.manifests.remove("slices.yaml")  # what no slice lists gets nothing
        wait_for(lambda: asking.seen[-1] == 503, "503, well before the time of what is kept is over")


def test_pods_are_swapped(site):
    """Another selector: the slices list other pods from then on, and only they are asked."""
    blue, green = site.pod("blue"), site.pod("green")
    site.app("app.example", blue.address, name="app")
    sluice = site.sluice(options={"keep-alive-requests": 0})
    with Asking(sluice) as asking:
        live(sluice, site, lambda: site.app("app.example", green.address, name="app"))
        assert sluice.get("/", "app.example").get("x-pod") == "green"
        asking.more()
    assert set(asking.seen) == {200}


def test_certificates_while_secrets_change(site):
    """A Secret that is replaced by deleting and making it, then one that comes after the Ingress that names it."""
    pairs = {serial: certificate("app.example", serial=serial) for serial in (1, 2, 3)}
    pod = site.pod()
    put(site, "old", tls_secret("old", *pairs[1]))
    site.app("app.example", pod.address, name="app", tls=[(["app.example"], "old")])
    sluice = site.sluice(options={"keep-alive-requests": 0})

    def shown():
        with sluice.tls("app.example") as c:
            return serial_of(c)
    assert shown() == 1
    live(sluice, site, lambda: site.manifests.remove("old.yaml"))
    assert shown() == 1
    live(sluice, site, lambda: put(site, "old", tls_secret("old", *pairs[2])))
    assert shown() == 2
    live(sluice, site, lambda: site.app("app.example", pod.address, name="app", tls=[(["app.example"], "third")]))
    assert shown() == 2
    live(sluice, site, lambda: put(site, "third", tls_secret("third", *pairs[3])))
    assert shown() == 3


@pytest.mark.parametrize("how", ["empty", "key only", "mismatched", "another name"])
def test_the_next_secret_comes_without_a_pair_for_the_host(site, how):
    """What is named now is still to be issued, and is there before it holds what it is to hold."""
    (old, old_key), (cert, key) = (certificate("app.example", serial=serial) for serial in (1, 2))
    elsewhere = certificate("elsewhere.example", serial=3)
    pair = {"empty": ("", ""), "key only": ("", key), "mismatched": (cert, old_key), "another name": elsewhere}[how]
    pod = site.pod()
    put(site, "old", tls_secret("old", old, old_key))
    site.app("app.example", pod.address, name="app", tls=[(["app.example"], "old")])
    sluice = site.sluice(options={"keep-alive-requests": 0})

    def shown():
        with sluice.tls("app.example") as c:
            return serial_of(c)
    assert shown() == 1
    live(sluice, site, lambda: site.app("app.example", pod.address, name="app", tls=[(["app.example"], "next")]))
    assert shown() == 1
    live(sluice, site, lambda: put(site, "next", tls_secret("next", *pair)))
    assert shown() == 1
    live(sluice, site, lambda: put(site, "next", tls_secret("next", cert, key)))
    assert shown() == 2
