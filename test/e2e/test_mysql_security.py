"""Encryption of connections to MySQL and MariaDB servers, and servers that want more than they are to have."""
import os
import re
import ssl
import subprocess
from urllib.parse import quote

import psycopg2
import pytest

from fake_mysql import OK, FakeServer
from mysql_servers import PASSWORD
from private_cluster import BINDIR, unprivileged, wait_until
from observing import caught_up, equal, failure, registered, rows


def certificates(directory, name):
    """An authority of our own, and a certificate of it for the host `name`."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "30", "-subj",
            "/CN=test authority")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "server.key", "-out", "server.csr", "-subj", f"/CN={name}")
    (directory / "extensions").write_text(f"subjectAltName=IP:127.0.0.1,DNS:{name}" if name == "localhost"
                                          else f"subjectAltName=DNS:{name}")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "server.pem", "-days",
            "30", "-extfile", "extensions")
    for path in directory.iterdir():
        path.chmod(0o644)
    printed = subprocess.run(["openssl", "x509", "-noout", "-fingerprint", "-sha1", "-in", "server.pem"], cwd=directory, check=True,
                             capture_output=True, text=True)
    return printed.stdout.split("=")[1].strip()


@pytest.fixture
def with_tls(server, files, tmp_path):
    """The server with a certificate for localhost, and the files of another authority."""
    for name in ("own", "other"):
        (files / name).mkdir()
    pin, other = certificates(files / "own", "localhost"), certificates(files / "other", "elsewhere.example")
    before = dict(server.settings)
    server.settings.update({"ssl-ca": files / "own/ca.pem", "ssl-cert": files / "own/server.pem", "ssl-key": files / "own/server.key"})
    server.restart()
    yield files, pin, other
    server.settings = before
    server.restart()


def test_a_file_that_is_none_is_neither_waited_for_nor_read_without_end(cluster, with_tls, db):
    """Opening a FIFO waits for its writer, and no signal ends that: neither the call nor the server could be stopped."""
    files, _, _ = with_tls
    fifo = files / "fifo"
    os.mkfifo(fifo, 0o666)
    fifo.chmod(0o666)
    place = f"127.0.0.1:{db.port}/shop"

    def discovered(url):
        command = [f"{BINDIR}/psql", "-X", "-h", cluster.directory, "-p", str(cluster.port), "-U", "postgres", "-c",
                   f"SELECT * FROM replicator_discover('{url}')"]
        return subprocess.run(unprivileged(command, cluster.directory), capture_output=True, text=True, cwd="/", timeout=90).stderr
    try:
        for name in (fifo, "/dev/zero"):
            for url in (f"mysql://u:file:{name}@{place}", f"mysql://u@{place}?passfile={name}",
                        db.url("shop", parameters=f"sslmode=verify-full&sslrootcert={name}")):
                assert "not a regular file" in discovered(url), url
        missing = discovered(db.url("shop", parameters=f"sslmode=verify-full&sslrootcert={files}/none"))
        assert "No such file" in missing and "sslrootcert" in missing
    finally:
        os.close(os.open(fifo, os.O_RDWR | os.O_NONBLOCK))  # ends a wait for a writer


def test_encryption_is_demanded_checked_and_pinned(cluster, with_tls, db, source_s):
    files, pin, other = with_tls
    authority = f"sslmode=verify-full&sslrootcert={files}/own/ca.pem"

    def encrypted():
        ciphers = [row[0] for row in db.query("SELECT variable_value FROM performance_schema.status_by_thread s JOIN "
                                              "performance_schema.threads t USING (thread_id) "
                   "WHERE t.processlist_command LIKE 'Binlog Dump%' AND variable_name = 'Ssl_cipher'")] if db.flavour == "MySQL" else None
        return ciphers

    def refused(url, *words):
        with pytest.raises(psycopg2.Error) as error:
            cluster.query("SELECT replicator_init(%s, name => 'wrong')", (url,))
        for word in words:
            assert word in str(error.value), str(error.value)
    for parameters in ("sslmode=require", authority, f"sslfingerprint={pin}"):
        registered(cluster, db.url("shop", parameters=parameters))
        db.run("UPDATE customer SET name = CONCAT(name, '!') WHERE id = 1", "shop")
        caught_up(cluster)
        assert equal(cluster)
        if db.flavour == "MySQL":
            wait_until(lambda: encrypted() and all(encrypted()), 45, lambda: f"an encrypted stream: {encrypted()}")
        else:
            assert rows_are_not_seen_on_the_wire(cluster, db)
        if parameters != f"sslfingerprint={pin}":
            cluster.query("SELECT replicator_drop('s', drop_tables => true)")
    refused(db.url("shop", parameters=f"sslmode=verify-full&sslrootcert={files}/other/ca.pem"), "HINT", "sslrootcert")
    refused(db.url("shop", parameters="sslmode=verify-full"), "HINT", "sslrootcert")
    refused(db.url("shop", parameters=authority).replace("@127.0.0.1:", "@127.0.0.2:"), "HINT")
    refused(db.url("shop", parameters=f"sslfingerprint={other}"), "HINT", "sslfingerprint")
    # The certificate changes under a stream that is pinned to it: its next connection is refused, and says so.
    db.settings.update({"ssl-ca": files / "other/ca.pem", "ssl-cert": files / "other/server.pem", "ssl-key": files / "other/server.key"})
    db.restart()
    failure(cluster, "sslfingerprint")
    cluster.query("SELECT replicator_alter('s', source_url => %s)", (db.url("shop", parameters=f"sslfingerprint={other}"),))
    caught_up(cluster)
    # A certificate of the right authority for another host.
    refused(db.url("shop", parameters=f"sslmode=verify-full&sslrootcert={files}/other/ca.pem"), "HINT", "sslrootcert")


def test_a_stored_password_goes_only_where_it_was_given_for(cluster, db, mysql_source):
    mysql_source("shop", "kept")
    bare = re.sub(r":[^:/@]*@", "@", db.url("shop"))

    def altered(url):
        try:
            cluster.query("SELECT replicator_alter('kept', source_url => %s)", (url,))
        except psycopg2.Error as error:
            return error.diag.message_primary, error.diag.message_detail
    must_be_given = 'the password of source "kept" must be given again'
    for url, what in ((bare.replace("127.0.0.1", "127.0.0.2"), "the host or port"),
                      (bare.replace(f":{db.port}", f":{db.port + 1}"), "the host or port"),
                      (bare.replace("replicator@", "root@"), "the user"),
                      (bare.replace("127.0.0.1", "127.0.0.1,127.0.0.2"), "the host or port"),
                      (bare.replace("sslmode=disable", "sslmode=prefer"), "the parameters"), (bare.split("?")[0], "the parameters")):
        message, detail = altered(url)
        assert message == must_be_given and f"changes {what};" in detail, (url, message, detail)
    assert cluster.query("SELECT url FROM replicator.source WHERE name = 'kept'") == [(bare,)]
    assert altered(bare.replace("/shop?", "/shop,mysql?")) is None, "another database is read with the same account"
    assert altered(db.url("shop", parameters="sslmode=prefer")) is None, "with the password everything may change"
    cluster.wait_for_copy("kept")


def test_a_stream_ends_with_the_rights_to_its_source(cluster, server, db, files, source_s):
    """They are looked at again while it is open."""
    cluster.query("CREATE ROLE reader LOGIN; GRANT CREATE ON DATABASE postgres TO reader; GRANT pg_read_server_files TO reader; "
                  "GRANT EXECUTE ON ALL ROUTINES IN SCHEMA public TO reader")
    password = files / "password"
    password.write_text(PASSWORD)
    password.chmod(0o644)
    cluster.query("SELECT replicator_init(%s, name => 's', target_schema => 'of_reader')",
                  (db.url("shop").replace(f":{quote(PASSWORD, safe='')}@", f":file:{password}@"),), user="reader")
    cluster.wait_for_state("s", "streaming")

    def goes_on(number):
        cluster.query("SELECT replicator_resume('s')")
        cluster.wait_for_state("s", "streaming")
        db.run(f"INSERT INTO customer VALUES ({number}, 'new', 0, '[]')", "shop")
        caught_up(cluster)
    cluster.query("REVOKE pg_read_server_files FROM reader")
    failure(cluster, "permission denied to refer to a password")
    cluster.query("GRANT pg_read_server_files TO reader")
    goes_on(101)
    cluster.query("ALTER SYSTEM SET pg_replicator.allowed_hosts = 'elsewhere.example'")
    cluster.reload()
    failure(cluster, 'host "127.0.0.1', "is not allowed")
    cluster.query("ALTER SYSTEM RESET pg_replicator.allowed_hosts")
    cluster.reload()
    goes_on(102)
    cluster.query("SELECT replicator_drop('s', drop_tables => true)")
    cluster.query("DROP OWNED BY reader CASCADE; DROP ROLE reader")


def rows_are_not_seen_on_the_wire(cluster, server):
    """MariaDB does not say what other connections use; the account can be bound to encryption."""
    for host in ("127.0.0.1", "localhost"):
        server.run(f"ALTER USER 'replicator'@'{host}' REQUIRE SSL")
    for (connection,) in server.query("SELECT id FROM information_schema.processlist WHERE user = 'replicator'"):
        server._client(f"KILL {connection}", check=False)
    server.run("DELETE FROM customer WHERE id = 3", "shop")
    caught_up(cluster)
    arrived = "3" not in rows(cluster, "customer")
    server.run("INSERT INTO customer VALUES (3, '', 0, '[]')", "shop")
    for host in ("127.0.0.1", "localhost"):
        server.run(f"ALTER USER 'replicator'@'{host}' REQUIRE NONE")
    return arrived


class HostileServer(FakeServer):
    """Answers every query with the request to send a file (LOCAL INFILE)."""
    def __init__(self, wanted):
        self.wanted, self.asked = wanted, 0
        super().__init__()

    def talk(self, connection):
        self.greet(connection)
        connection.sendall(self.packet(2, OK))
        while self.read(connection):
            self.asked += 1
            connection.sendall(self.packet(1, b"\xfb" + self.wanted.encode()))
            while self.read(connection):
                pass
            connection.sendall(self.packet(3, OK))


class RudeServer(FakeServer):
    """Refuses at once, in bytes that are no UTF-8."""
    def talk(self, connection):
        connection.sendall(self.packet(0, b"\xff" + (1040).to_bytes(2, "little") + b"go \xff\xfe\xe4 away"))


def test_a_server_that_asks_for_files_gets_none(cluster, files):
    secret = files / "secret"
    secret.write_text("nobody is to see this")
    secret.chmod(0o644)
    hostile = HostileServer(str(secret))
    with pytest.raises(psycopg2.Error):
        cluster.query("SET statement_timeout = '60s'; SELECT replicator_init(%s, name => 'hostile', mode => 'once')",
                      (f"mysql://u:p@127.0.0.1:{hostile.port}/d?sslmode=disable",))
    assert hostile.asked >= 1 and b"nobody" not in hostile.received, (hostile.asked, hostile.received)
    assert "nobody is to see" not in cluster.log_text()


class Impostor(FakeServer):
    """Offers TLS with a certificate, and keeps what a client says once it has seen that."""
    def __init__(self, directory):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(directory / "server.pem", directory / "server.key")
        super().__init__()

    def talk(self, connection):
        self.greet(connection, more_abilities=0x00000800)
        with self.context.wrap_socket(connection, server_side=True) as encrypted:
            self.received += encrypted.recv(4096)


def test_a_server_with_a_wrong_certificate_gets_no_login(cluster, files):
    (files / "impostor").mkdir()
    certificates(files / "impostor", "elsewhere.example")
    for parameters, gets_login in (("sslmode=require", True), (f"sslmode=verify-full&sslrootcert={files}/impostor/ca.pem", False),
                                   ("sslmode=verify-full", False), ("sslfingerprint=" + 40 * "0", False)):
        impostor = Impostor(files / "impostor")
        with pytest.raises(psycopg2.Error) as error:
            cluster.query("SELECT replicator_init(%s, name => 'impostor', mode => 'once')",
                          (f"mysql://somebody:p@127.0.0.1:{impostor.port}/d?{parameters}",))
        wait_until(lambda: impostor.ended, what="the end of the connection")
        assert (b"somebody" in impostor.received) == gets_login, (parameters, impostor.received)
        assert gets_login or "TLS/SSL error" in str(error.value), str(error.value)


def test_what_a_server_says_becomes_text_that_the_database_may_hold(cluster):
    """Bytes that are no UTF-8 made replicator_events unreadable for everybody."""
    rude = RudeServer()
    with pytest.raises(psycopg2.Error, match=r"go \?\?\? away"):
        cluster.query("SET statement_timeout = '60s'; SELECT replicator_init(%s, name => 'rude', mode => 'once')",
                      (f"mysql://u:p@127.0.0.1:{rude.port}/d?sslmode=disable",))
    wait_until(lambda: cluster.query("SELECT 1 FROM replicator_events WHERE source = 'rude' AND message LIKE '%go ??? away%'"), 45,
               "the event")
