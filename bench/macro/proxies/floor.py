"""A bare epoll forwarder with four system calls a request and no features: what the kernel alone costs."""
import lab

NAME = "floor"


def cannot(kind, _):
    return "" if kind == "plain" else "it has no features"


def version(*_):
    return "floor.cpp"


def command(work, *_):
    return [f"{lab.BUILD}/floor", str(lab.HTTP), str(lab.port_of(work.pod))]
