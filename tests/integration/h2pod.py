"""A pod that speaks HTTP/2 through python's h2, and does with each request what a test's function says."""
import threading

import h2.config
import h2.connection
import h2.events
import h2.exceptions

from harness import ScriptedPod, wait_for


class H2Pod(ScriptedPod):
    """answer(pod, call) is called at the end of a request's head, or with whole=True at the end of the request."""

    def __init__(self, answer, whole=True, context=None, streams=None):
        """streams: how many a connection carries at a time."""
        self.answer, self.whole, self.context, self.streams = answer, whole, context, streams
        self.calls, self.goaways = [], []
        super().__init__(self._serve)

    def _serve(self, sock, number):
        if self.context:
            sock = self.context.wrap_socket(sock, server_side=True)
        lock = threading.RLock()
        conn = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="latin-1"))
        conn.initiate_connection()
        if self.streams:
            conn.update_settings({h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: self.streams})
        sock.sendall(conn.data_to_send())
        calls = {}
        try:
            while True:
                data = sock.recv(65536)
                if not data:
                    break
                with lock:
                    for event in conn.receive_data(data):
                        self._event(event, conn, sock, lock, calls, number)
                    out = conn.data_to_send()
                    if out:
                        sock.sendall(out)
        except h2.exceptions.ProtocolError:  # frames after our GOAWAY: what we said must still arrive
            try:
                while sock.recv(65536):
                    pass
            except OSError:
                pass
        except OSError:
            pass
        finally:
            for call in calls.values():
                call.gone = True
            sock.close()

    def _event(self, event, conn, sock, lock, calls, number):
        if isinstance(event, h2.events.RequestReceived):
            call = calls[event.stream_id] = Call(conn, sock, lock, event, number)
            self.calls.append(call)
            if not self.whole:
                self.answer(self, call)
        elif isinstance(event, h2.events.DataReceived):
            calls[event.stream_id].body += event.data
            conn.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.TrailersReceived):
            calls[event.stream_id].trailers = event.headers
        elif isinstance(event, h2.events.StreamEnded):
            calls[event.stream_id].ended = True
            if self.whole:
                self.answer(self, calls[event.stream_id])
        elif isinstance(event, h2.events.StreamReset):
            calls[event.stream_id].code = event.error_code
        elif isinstance(event, h2.events.ConnectionTerminated):
            self.goaways.append(event.error_code)

    def wait_call(self, seconds=10):
        wait_for(lambda: self.calls, "a request is at the pod", seconds)
        return self.calls[-1]


class Call:
    """One request at the pod, and the means to answer it."""

    def __init__(self, conn, sock, lock, event, connection):
        self.conn, self.sock, self.lock, self.connection = conn, sock, lock, connection
        self.stream, self.headers = event.stream_id, event.headers
        self.body, self.trailers, self.ended, self.code, self.gone = b"", None, False, None, False

    def get(self, name):
        return next((v for n, v in self.headers if n == name), None)

    def _flush(self):
        self.sock.sendall(self.conn.data_to_send())

    def head(self, *fields, status=200, end=False):
        with self.lock:
            self.conn.send_headers(self.stream, [(":status", str(status)), *fields], end_stream=end)
            self._flush()
        return self

    def data(self, data, end=False):
        with self.lock:
            self.conn.send_data(self.stream, data, end_stream=end)
            self._flush()
        return self

    def end(self, *trailers):
        with self.lock:
            self.conn.send_headers(self.stream, list(trailers), end_stream=True)
            self._flush()

    def reset(self, code):
        with self.lock:
            self.conn.reset_stream(self.stream, code)
            self._flush()

    def goaway(self, code=0, last=None):
        with self.lock:
            self.conn.close_connection(code, last_stream_id=last)
            self._flush()
