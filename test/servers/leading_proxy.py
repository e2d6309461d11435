"""Stands before servers, as a proxy, a pool or a name does that leads each connection to one of them."""
import contextlib
import itertools
import socket
import threading


class LeadingProxy:
    """Leads new connections to the servers that it was told, in turn; those that are open stay where they are."""
    def __init__(self, *ports):
        self.led = {}  # connections by port, in sum
        self.lead_to(*ports)
        self.answers = threading.Event()
        self.answers.set()
        self.waiting = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def lead_to(self, *ports):
        self.turns = itertools.cycle(ports)

    def fall_silent(self):
        """New connections come to nothing, as where packets are dropped, until answer()."""
        self.answers.clear()
        with contextlib.suppress(TimeoutError):
            while True:  # those that the system accepts by itself
                self.waiting.append(socket.create_connection(("127.0.0.1", self.port), timeout=0.5))

    def answer(self):
        for connection in self.waiting:
            connection.close()
        self.answers.set()

    def close(self):
        self.answer()
        self.listener.close()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                self.answers.wait()
                port = next(self.turns)
                self.led[port] = self.led.get(port, 0) + 1
                try:
                    server = socket.create_connection(("127.0.0.1", port))
                except ConnectionRefusedError:
                    client.close()
                    continue
                threading.Thread(target=self._forward, args=(client, server), daemon=True).start()
                threading.Thread(target=self._forward, args=(server, client), daemon=True).start()

    def _forward(self, source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
