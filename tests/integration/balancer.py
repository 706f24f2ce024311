"""A load balancer in front: takes connections and passes their bytes on to one of its targets, in turn."""
import itertools
import socket
import threading


class Balancer:
    """`rewrite`: what becomes of the bytes of clients, as of a balancer that sends them on by another name."""

    def __init__(self, *targets, listen=("127.0.0.1", 0), rewrite=lambda data: data):
        self.targets, self.rewrite = list(targets), rewrite
        self.turn, self.connections = itertools.count(), 0
        self.listener = socket.create_server(listen, backlog=512)
        self.port = self.listener.getsockname()[1]
        self.address = f"{self.listener.getsockname()[0]}:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        host, port = self.targets[next(self.turn) % len(self.targets)].rsplit(":", 1)
        try:
            server = socket.create_connection((host.strip("[]"), int(port)), 30)
        except OSError:
            return client.close()
        server.settimeout(None)
        up = threading.Thread(target=self._pump, args=(client, server, self.rewrite), daemon=True)
        up.start()
        self._pump(server, client, lambda data: data)
        up.join()
        client.close()
        server.close()

    @staticmethod
    def _pump(source, sink, change):
        try:
            while data := source.recv(65536):
                sink.sendall(change(data))
        except OSError:
            pass
        for s, how in ((source, socket.SHUT_RD), (sink, socket.SHUT_WR)):
            try:
                s.shutdown(how)
            except OSError:
                pass

    def stop(self, *_):
        self.listener.close()
