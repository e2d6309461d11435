"""Stands between a client and a server, and keeps to itself what the server answers to certain statements."""
import contextlib
import socket
import threading

PREPARE = b"\x16"  # the command of the protocol


class StallingProxy:
    """Connections on which a statement is prepared that has hold() in it hear nothing of the server until let_go()."""
    def __init__(self, port):
        self.server_port = port
        self.held = 0  # connections, in sum
        self.words = None
        self.free = threading.Event()
        self.free.set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def hold(self, words):
        self.free.clear()
        self.words = words

    def let_go(self):
        self.words = None
        self.free.set()

    def close(self):
        self.let_go()
        self.listener.close()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(("127.0.0.1", self.server_port))
                held = threading.Event()
                threading.Thread(target=self._forward, args=(client, server, held, True), daemon=True).start()
                threading.Thread(target=self._forward, args=(server, client, held, False), daemon=True).start()

    def _forward(self, source, target, held, is_client):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if is_client and self.words and data[4:5] == PREPARE and self.words in data:
                    held.set()
                    self.held += 1
                if held.is_set() and not is_client:
                    self.free.wait()
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
