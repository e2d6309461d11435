"""A server that speaks the beginning of MySQL's protocol, and then says what a test wants it to say."""
import contextlib
import socket
import threading

OK = b"\0\0\0\x02\0\0\0"


class FakeServer:
    """Each connection is a talk() of its own; what it raises because the other side has gone ends that connection alone."""
    version = b"8.0.36"
    nonce = b"a" * 8 + b"b" * 12
    plugin = b"mysql_native_password"
    # PROTOCOL_41, SECURE_CONNECTION, PLUGIN_AUTH, LOCAL_FILES
    abilities = 0x00000001 | 0x00000080 | 0x00000200 | 0x00008000 | 0x00080000 | 0x00002000

    def __init__(self):
        self.received = b""
        self.ended = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            connection, _ = self.listener.accept()
            connection.settimeout(60)
            with connection, contextlib.suppress(OSError):
                self.talk(connection)
            self.ended += 1

    def talk(self, connection):
        raise NotImplementedError

    def greet(self, connection, more_abilities=0):
        """Protocol 10. Returns the answer."""
        abilities = self.abilities | more_abilities
        connection.sendall(self.packet(0, b"\x0a" + self.version + b"\0" + (1).to_bytes(4, "little") + self.nonce[:8] + b"\0"
                                       + (abilities & 0xffff).to_bytes(2, "little") +
                                       b"\x2d\x02\0" + (abilities >> 16).to_bytes(2, "little") + b"\x15" + b"\0" * 10 + self.nonce[8:]
                                       + b"\0" + self.plugin + b"\0"))
        return self.read(connection)

    @staticmethod
    def packet(number, body):
        return len(body).to_bytes(3, "little") + bytes([number]) + body

    def read(self, connection):
        """The next packet; nothing at the end."""
        head = self._read_bytes(connection, 4)
        body = self._read_bytes(connection, int.from_bytes(head[:3], "little")) if len(head) == 4 else b""
        self.received += body
        return body

    @staticmethod
    def _read_bytes(connection, count):
        """Not by MSG_WAITALL, which TLS does not know."""
        read = b""
        while len(read) < count and (more := connection.recv(count - len(read))):
            read += more
        return read
