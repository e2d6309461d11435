"""Stands between a client and a server, and keeps to itself what the server answers to certain statements."""
import contextlib
import socket
import threading

QUERY, PREPARE, EXECUTE = b"\x03", b"\x16", b"\x17"  # commands of the protocol


class StallingProxy:
    """Connections on which a statement is sent, prepared or executed that has hold()'s words in it hear nothing of the server from
    then on until let_go()."""
    def __init__(self, port):
        self.server_port = port
        self.held = 0  # connections, in sum
        self.words = None
        self.command = PREPARE
        self.free = threading.Event()
        self.free.set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def hold(self, words, command=PREPARE):
        self.free.clear()
        self.command = command
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
        is_meant = False  # the statement; the command that executes it does not repeat it
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                command = data[4:5] if is_client and self.words else b""
                if command in (QUERY, PREPARE):
                    is_meant = self.words in data
                if is_meant and command == self.command:
                    held.set()
                    self.held += 1
                if held.is_set() and not is_client:
                    self.free.wait()
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
