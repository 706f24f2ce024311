#!/usr/bin/env python3
"""5 GB up and down through a slow peer: memory stays flat."""
import threading
import time

from common import harness, main


def body(run):
    total = run.pick(100_000_000, 5_000_000_000)
    site = run.site
    pod = site.pod("pod", "--forget-ids")
    site.app("app.example", pod.address, annotations={"proxy-body-size": "0"})
    run.say("annotation that differs: proxy-body-size: 0")
    s = run.sluice(workers=1)
    s.get("/", "app.example")
    base = s.rss_kb()
    peak = [base]
    stop = threading.Event()

    def watch():
        while not stop.wait(0.02):
            peak[0] = max(peak[0], s.rss_kb())
    t = threading.Thread(target=watch)
    t.start()
    figures = {}
    try:
        for direction in ("download", "upload"):
            peak[0] = s.rss_kb()
            begin = time.monotonic()
            if direction == "download":
                with s.raw(rcvbuf=65536, timeout=120) as c:
                    c.send(f"GET /?size={total}&id=big HTTP/1.1\r\nHost: app.example\r\n\r\n")
                    c.read_until(b"\r\n\r\n")
                    got, pauses = len(c.buffer), 0
                    buffer = bytearray(1 << 20)
                    while got < total:
                        n = c.sock.recv_into(buffer)
                        assert n, f"ended after {got}"
                        got += n
                        if got // (total // 20) > pauses:  # a reader that stops now and then
                            pauses += 1
                            time.sleep(0.2)
                run.expect(got == total, f"{got} bytes")
            else:
                with s.raw(timeout=120) as c:
                    c.send(f"POST / HTTP/1.1\r\nHost: app.example\r\nContent-Length: {total}\r\n\r\n")
                    block, sent = b"u" * 1_000_000, 0
                    while sent < total:
                        c.send(block)
                        sent += len(block)
                    a = c.answer()
                run.expect(a.status == 200 and a.get("x-req-length") == str(total), f"{a}")
            figures[direction] = {"bytes": total, "seconds": round(time.monotonic() - begin, 1), "rss_kb_before": base, "rss_kb_peak": peak[0]}
            run.expect(peak[0] - base < 16_384, f"{direction}: resident grew from {base} to {peak[0]} kB")
    finally:
        stop.set()
        t.join()
    run.figure(**figures)


if __name__ == "__main__":
    main("large", body)
