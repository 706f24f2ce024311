"""What others make of a body that is compressed: zlib, and the libraries of brotli and Zstandard themselves, fed piece by piece."""
import ctypes
import zlib

TOKENS = ("gzip", "br", "zstd")


class Gunzip:
    def __init__(self):
        self.object = zlib.decompressobj(31)

    @property
    def ended(self):
        return self.object.eof

    def decode(self, data):
        out = self.object.decompress(data)
        assert not self.object.unused_data
        return out


class Unbrotli:
    def __init__(self):
        self.lib = ctypes.CDLL("libbrotlidec.so.1")
        self.lib.BrotliDecoderCreateInstance.restype = ctypes.c_void_p
        self.state = ctypes.c_void_p(self.lib.BrotliDecoderCreateInstance(None, None, None))
        self.ended = False

    def decode(self, data):
        source = ctypes.create_string_buffer(data, max(len(data), 1))
        left, at = ctypes.c_size_t(len(data)), ctypes.c_void_p(ctypes.addressof(source))
        room = ctypes.create_string_buffer(65536)
        out = b""
        while True:
            free, to = ctypes.c_size_t(len(room)), ctypes.c_void_p(ctypes.addressof(room))
            result = self.lib.BrotliDecoderDecompressStream(self.state, ctypes.byref(left), ctypes.byref(at), ctypes.byref(free), ctypes.byref(to), None)
            out += room.raw[:len(room) - free.value]
            assert result != 0, "brotli: broken"
            self.ended = result == 1
            if not self.lib.BrotliDecoderHasMoreOutput(self.state):
                assert left.value == 0
                return out


class Unzstd:
    class Buffer(ctypes.Structure):
        _fields_ = [("at", ctypes.c_void_p), ("size", ctypes.c_size_t), ("pos", ctypes.c_size_t)]

    def __init__(self):
        self.lib = ctypes.CDLL("libzstd.so.1")
        self.lib.ZSTD_createDCtx.restype = ctypes.c_void_p
        self.lib.ZSTD_decompressStream.restype = ctypes.c_size_t
        self.context = ctypes.c_void_p(self.lib.ZSTD_createDCtx())
        self.ended = False

    def decode(self, data):
        source, room = ctypes.create_string_buffer(data, max(len(data), 1)), ctypes.create_string_buffer(65536)
        given = self.Buffer(ctypes.addressof(source), len(data), 0)
        out = b""
        while True:
            to = self.Buffer(ctypes.addressof(room), len(room), 0)
            left = self.lib.ZSTD_decompressStream(self.context, ctypes.byref(to), ctypes.byref(given))
            assert not self.lib.ZSTD_isError(ctypes.c_size_t(left)), "zstd: broken"
            out += room.raw[:to.pos]
            self.ended = left == 0
            if given.pos == given.size and (self.ended or to.pos < to.size):
                return out


DECODERS = {"gzip": Gunzip, "br": Unbrotli, "zstd": Unzstd}


def decoded(coding, data):
    """All of a body; it must have its end."""
    decoder = DECODERS[coding]()
    out = decoder.decode(data)
    assert decoder.ended, f"{coding}: cut after {len(out)} bytes"
    return out
