"""Servers, or whoever sits between, that want to learn the password, or to take our memory."""
import ssl
import subprocess

import pytest

from conftest import Adapter
from fake_mysql import OK, FakeServer

PASSWORD = "geheim on the wire"
SERVER_TLS = 0x00000800


def log_in(server, parameters="?sslmode=disable"):
    """What the adapter's driver prints, which has to be UTF-8."""
    url = f"mysql://u:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{server.port}/d{parameters}"
    return subprocess.run(Adapter.command(url, "tables"), capture_output=True, timeout=300).stdout.decode()


class Curious(FakeServer):
    """Has the client log in by a plugin, and asks for the password itself as that plugin allows; then says what it has got."""
    def __init__(self, plugin, key, switches=True, certificate=None):
        self.asked_by, self.key, self.switches = plugin, key, switches
        self.plugin = self.plugin if switches else plugin
        self.context = certificate and ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if certificate:
            self.context.load_cert_chain(*certificate)
        super().__init__()

    def talk(self, connection):
        self.greet(connection, SERVER_TLS if self.context else 0)
        if self.context:
            connection = self.context.wrap_socket(connection, server_side=True)
            self.read(connection)
        number = 3 if self.context else 2
        answer = self.received
        if self.switches:
            connection.sendall(self.packet(number, b"\xfe" + self.asked_by + b"\0" + self.nonce + b"\0"))
            answer = self.read(connection)
            number += 2
        if self.asked_by.startswith(b"caching"):
            connection.sendall(self.packet(number, b"\x01\x04"))
            answer = self.read(connection)
            number += 2
        if answer.endswith((b"\x01", b"\x02")):
            connection.sendall(self.packet(number, b"\x01" + self.key.read_bytes()))
            self.read(connection)
            number += 2
        connection.sendall(self.packet(number, b"\xff\x15\x04#28000no"))

    def decrypted(self, key):
        """What a packet encrypted with the key holds."""
        encrypted = self.received[-256:]
        result = subprocess.run(["openssl", "pkeyutl", "-decrypt", "-inkey", key, "-pkeyopt", "rsa_padding_mode:oaep"], input=encrypted,
                                capture_output=True)
        return bytes(byte ^ self.nonce[i % 20] for i, byte in enumerate(result.stdout))

    def log_in(self, parameters):
        return log_in(self, parameters)


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """A key pair, and a certificate of it that nobody has signed."""
    directory = tmp_path_factory.mktemp("keys")
    for command in ("openssl req -x509 -newkey rsa:2048 -nodes -keyout private.pem -out certificate.pem -subj /CN=curious -days 2",
                    "openssl rsa -in private.pem -pubout -out public.pem"):
        subprocess.run(command.split(), cwd=directory, check=True, capture_output=True)
    return directory


PLUGINS = [b"caching_sha2_password", b"sha256_password"]


@pytest.mark.parametrize("switches", [True, False])
@pytest.mark.parametrize("plugin", PLUGINS)
@pytest.mark.parametrize("parameters", ["", "?sslmode=require", "?sslmode=verify-full", "?sslfingerprint=" + "ab" * 20])
def test_who_has_no_tls_does_not_get_the_password(keys, parameters, plugin, switches):
    curious = Curious(plugin, keys / "public.pem", switches)
    answer = curious.log_in(parameters)
    assert PASSWORD.encode() not in curious.received, curious.received
    assert PASSWORD.encode() not in curious.decrypted(keys / "private.pem")
    assert ("asks for the password itself" if parameters == "" else "TLS") in answer, answer
    # Nor a scramble that could be tried against a list of words.
    assert parameters == "" or curious.received == b"", curious.received


@pytest.mark.parametrize("plugin", PLUGINS)
def test_who_has_tls_may_ask_for_the_password(keys, plugin):
    for switches in (True, False):
        curious = Curious(plugin, keys / "public.pem", switches, certificate=(keys / "certificate.pem", keys / "private.pem"))
        answer = curious.log_in("?sslmode=require")
        assert curious.received.endswith(PASSWORD.encode() + b"\0") or not switches, (curious.received, answer)
        assert PASSWORD.encode() in curious.received and "asks for" not in answer, (curious.received, answer)


@pytest.mark.parametrize("plugin", PLUGINS)
def test_where_the_network_is_trusted_the_password_is_encrypted_by_the_servers_key(keys, plugin):
    curious = Curious(plugin, keys / "public.pem")
    curious.log_in("?sslmode=disable")
    assert PASSWORD.encode() not in curious.received, curious.received
    assert curious.decrypted(keys / "private.pem").startswith(PASSWORD.encode()), curious.received


class Endless(FakeServer):
    """Answers each question with one column and rows without end."""
    def talk(self, connection):
        self.greet(connection)
        connection.sendall(self.packet(2, OK))
        while question := self.read(connection):
            if not question[1:].lstrip().startswith(b"SELECT"):
                connection.sendall(self.packet(1, OK))
                continue
            column = b"\x03def" + b"\0" * 3 + b"\x01c\0\x0c\x2d\0" + (65535).to_bytes(4, "little") + b"\xfd" + b"\0" * 5
            end_of_columns = self.packet(3, b"\xfe\0\0\x02\0")
            connection.sendall(self.packet(1, b"\x01") + self.packet(2, column) + end_of_columns)
            row = b"\xfd" + (60000).to_bytes(3, "little") + b"x" * 60000
            rows = b"".join(self.packet(number % 256, row) for number in range(4, 260))
            while True:
                connection.sendall(rows)


def test_an_answer_without_end_is_given_up():
    answer = log_in(Endless())
    assert "its answer is too large" in answer, answer


class Talkative(FakeServer):
    """Goes on without end where the driver keeps all that comes, at one stage: by packets as large as they can be, or by a
    result's columns. Stops at a gigabyte."""
    largest = b"\xff\xff\xff"

    def __init__(self, stage):
        self.stage, self.sent = stage, 0
        super().__init__()

    def pour(self, connection, packets):
        """They come again and again, numbered on."""
        number = 0
        while self.sent < 1 << 30:
            numbered = b"".join(self.packet((number + at) % 256, body) for at, body in enumerate(packets))
            number += len(packets)
            connection.sendall(numbered)
            self.sent += len(numbered)

    def pour_one(self, connection, number, begin):
        """One packet, in parts."""
        body = begin + b"x" * (0xffffff - len(begin))
        while self.sent < 1 << 30:
            connection.sendall(self.largest + bytes([number % 256]) + body)
            self.sent += len(body)
            number, body = number + 1, b"x" * 0xffffff

    def talk(self, connection):
        self.greet(connection)
        connection.sendall(self.packet(2, OK))
        self.read(connection)
        if self.stage == "error":
            return self.pour_one(connection, 1, b"\xff\x10\x04")
        connection.sendall(self.packet(1, b"\xfd\xff\xff\xff"))
        column = b"\x03def" + b"\0" * 3 + b"\xc8" + b"c" * 200 + b"\0\x0c\x2d\0" + (65535).to_bytes(4, "little") + b"\xfd" + b"\0" * 5
        self.pour(connection, [column] * 256)


@pytest.mark.parametrize("stage", ["error", "columns"])
def test_what_comes_before_rows_has_a_bound(stage):
    """The driver stores it all, and the server chooses how much it is."""
    server = Talkative(stage)
    answer = log_in(server)
    assert "its answer is too large" in answer, answer
    assert server.sent < 200 << 20, "little more than what is on its way"
