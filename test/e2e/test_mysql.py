"""MySQL and MariaDB servers copied, refreshed and compared; each test runs against both."""
import json
import os
import pathlib
import pwd
import threading

import psycopg2
import pytest

from mysql_servers import PASSWORD
from private_cluster import wait_until
from observing import finished

CHINOOK = pathlib.Path(__file__).resolve().parents[2].parent / "shared/data/chinook"


@pytest.fixture
def shop(server):
    """A database of the test's own; gone at the end."""
    server.run("""DROP DATABASE IF EXISTS shop; CREATE DATABASE shop CHARACTER SET utf8mb4; USE shop;
        CREATE TABLE customer (id BIGINT UNSIGNED PRIMARY KEY, name VARCHAR(40), joined DATETIME(3), rate DECIMAL(8,2), notes JSON);
        INSERT INTO customer VALUES (1, 'Åsa', '2024-02-29 10:20:30.123', 1.50, '{"a": [1, 2.5]}'),
                                    (18446744073709551615, '漢字', NULL, -0.10, NULL);
        CREATE TABLE line (a INT, b VARCHAR(10) COLLATE utf8mb4_bin, v INT, PRIMARY KEY (a, b));
        INSERT INTO line VALUES (1, 'x', 1), (1, 'X', 2), (2, '', 3);
        CREATE TABLE keyless (v INT); INSERT INTO keyless VALUES (1), (1);
        CREATE VIEW names AS SELECT name FROM customer""")
    yield "shop"
    server.run("DROP DATABASE shop")


def state_of(cluster, name):
    return cluster.query("SELECT \"table\", state, reason FROM replicator_tables WHERE source = %s ORDER BY 1", (name,))


def test_a_database_is_copied_and_refreshed(cluster, server, shop, mysql_source):
    mysql_source(shop, "copied")
    cluster.wait_for_copy("copied")
    tables = {row[0]: row[1:] for row in state_of(cluster, "copied")}
    assert {name: row[0] for name, row in tables.items()} == {
        "customer": "idle", "line": "idle", "keyless": "idle", "names": "excluded"}
    assert tables["names"][1]
    assert cluster.query("SELECT id, data::text FROM copied.customer ORDER BY id") == [
        ("1", '{"id": 1, "name": "Åsa", "rate": 1.50, "notes": {"a": [1, 2.5]}, "joined": "2024-02-29T10:20:30.123"}'),
        ("18446744073709551615", '{"id": 18446744073709551615, "name": "漢字", "rate": -0.10, "notes": null, "joined": null}')]
    assert cluster.query("SELECT id FROM copied.line ORDER BY id") == [('[1,"X"]',), ('[1,"x"]',), ('[2,""]',)]
    before = cluster.query("SELECT xmin FROM copied.customer WHERE id = '1'")
    server.run("UPDATE shop.customer SET rate = 2 WHERE id > 1; DELETE FROM shop.line WHERE b = 'X'; INSERT INTO shop.line VALUES (9, '9', "
               "9)")
    cluster.query("CALL replicator_wait('copied', '240 s')")
    assert cluster.query("SELECT data->>'rate' FROM copied.customer ORDER BY id") == [("1.50",), ("2.00",)]
    assert cluster.query("SELECT id FROM copied.line ORDER BY id") == [('[1,"x"]',), ('[2,""]',), ('[9,"9"]',)]
    assert cluster.query("SELECT xmin FROM copied.customer WHERE id = '1'") == before


def test_a_real_database_arrives_whole(cluster, server, mysql_source):
    scripts = sorted(CHINOOK.glob("*[Mm]y[Ss][Qq][Ll]*.sql")) if CHINOOK.is_dir() else []
    if not scripts:
        pytest.skip(f"no Chinook script for MySQL in {CHINOOK}")
    server.run("DROP DATABASE IF EXISTS Chinook")
    server.run(scripts[0].read_text(encoding="utf-8-sig"))
    mysql_source("Chinook", "chinook")
    cluster.wait_for_copy("chinook")
    for (table,) in server.query("SELECT table_name FROM information_schema.tables WHERE table_schema = 'Chinook'"):
        assert int(server.value(f"SELECT count(*) FROM Chinook.`{table}`")) == cluster.query(
            f'SELECT count(*) FROM chinook."{table}"')[0][0], table
    theirs = server.query("SELECT TrackId, Name, Milliseconds, UnitPrice FROM Chinook.Track ORDER BY TrackId")
    ours = cluster.query("SELECT id, data->>'Name', data->>'Milliseconds', data->>'UnitPrice' FROM chinook.\"Track\" ORDER BY id::int")
    assert [list(row) for row in ours] == theirs
    server.run("DROP DATABASE Chinook")


def test_every_commit_shows_one_state_while_others_write(cluster, server, mysql_source):
    """Money is moved between two tables all the while; its sum is right in every state that a reader of the target sees."""
    server.run("""DROP DATABASE IF EXISTS bank; CREATE DATABASE bank; USE bank;
        CREATE TABLE a (id INT PRIMARY KEY, money INT, filler CHAR(100)); CREATE TABLE b LIKE a;
        INSERT INTO a SELECT seq, 1000, '' FROM (
            SELECT @n := @n + 1 AS seq FROM information_schema.columns, (SELECT @n := 0) x LIMIT 500) s;
        INSERT INTO b SELECT * FROM a""")
    stop = threading.Event()

    def write():
        number = 0
        while not stop.is_set():
            moves = ""
            for _ in range(50):
                number += 1
                one, two = number * 7 % 500 + 1, number * 11 % 500 + 1
                moves += (f"START TRANSACTION; UPDATE a SET money = money - {number % 50} WHERE id = {one}; "
                          f"UPDATE b SET money = money + {number % 50} WHERE id = {two}; COMMIT;")
            server.run(moves, "bank")
    writer = threading.Thread(target=write)
    writer.start()
    try:
        mysql_source("bank", "bank", mode="periodic", refresh_interval="1 second")
        wait_until(lambda: cluster.status("bank")["lag"], 240, "the first copy")
        total = int(server.value("SELECT (SELECT sum(money) FROM a) + (SELECT sum(money) FROM b)", "bank"))
        seen = set()

        def changed_often():
            rows = cluster.query("SELECT (SELECT sum((data->>'money')::int) FROM bank.a), (SELECT sum((data->>'money')::int) FROM bank.b)")
            assert sum(rows[0]) == total
            seen.add(rows[0])
            return len(seen) >= 4
        wait_until(changed_often, 240, "refreshes")
    finally:
        stop.set()
        writer.join()
    cluster.query("SELECT replicator_alter('bank', mode => 'once')")
    cluster.query("CALL replicator_wait('bank', '240 s')")
    theirs = [list(row) for row in server.query("SELECT id, money FROM a ORDER BY id", "bank")]
    assert [list(row) for row in cluster.query("SELECT id, data->>'money' FROM bank.a ORDER BY id::int")] == theirs
    server.run("DROP DATABASE bank")


def test_many_rows_are_copied_over_kills_and_a_restart_of_the_server(cluster, server, mysql_source):
    server.run("""DROP DATABASE IF EXISTS big; CREATE DATABASE big; USE big;
        CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(60)); INSERT INTO t (v) VALUES (REPEAT('x', 60)), ('é')""")
    for _ in range(17):
        server.run("INSERT INTO t (v) SELECT v FROM t", "big")
    count = int(server.value("SELECT count(*) FROM t", "big"))
    with cluster.waiting_at("chunk_written", lambda: mysql_source("big", "big")):
        killed = cluster.workers("copy worker")[0]
        cluster.kill(killed)
        wait_until(lambda: set(cluster.workers("copy worker")) - {killed}, what="the copy to go on")
        server.restart()
    cluster.wait_for_copy("big")
    assert cluster.query("SELECT count(*), count(DISTINCT id) FROM big.t") == [(count, count)]
    cluster.query("UPDATE big.t SET data = '{}' WHERE id = '4711'; DELETE FROM big.t WHERE id = '4712'")
    row = finished(cluster, cluster.query("SELECT replicator_repair('big', 't')")[0][0])["t"]
    assert (row["changed"], row["missing"], row["repaired"], row["unconfirmed"]) == (1, 1, 2, 0)
    assert finished(cluster, cluster.query("SELECT replicator_verify('big')")[0][0])["t"]["changed"] == 0
    server.run("DROP DATABASE big")


def test_what_is_wrong_with_the_server_is_said(cluster, server, shop):
    def refusal(url, **arguments):
        extra = "".join(f", {key} => %({key})s" for key in {"mode": "once", **arguments})
        with pytest.raises(psycopg2.Error) as refused:
            cluster.query(f"SELECT replicator_init(%(url)s, name => 'wrong'{extra})", {"url": url, "mode": "once", **arguments})
        assert "HINT" in str(refused.value)
        return str(refused.value)
    secret = "not the passwörd"
    assert secret not in refusal(server.url(shop, password=secret))
    assert "Access denied" in refusal(server.url(shop, password=secret))
    assert "nothing_here" in refusal(server.url("nothing_here"))
    assert "absent" in refusal(server.url(shop), include_tables=["absent"])
    stopped = server.url(shop).replace(f":{server.port}/", ":1/")
    assert ":1" in refusal(stopped)
    assert cluster.status("wrong") is None
    checks = cluster.query('SELECT "check", ok FROM replicator_validate(%s, mode => \'once\')', (server.url(shop),))
    assert ("connection", True) in checks and ("targets", True) in checks and ("encryption", False) in checks


def test_a_role_without_rights_names_no_file_of_the_server(cluster, server, shop):
    cluster.query("CREATE ROLE visitor; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO visitor; GRANT CREATE ON DATABASE postgres TO "
                  "visitor")
    connection = cluster.connect()
    with connection.cursor() as cursor:
        cursor.execute("SET ROLE visitor")
        for url in (server.url(shop, parameters="sslrootcert=/etc/passwd"),
                    f"mysql://replicator@127.0.0.1:{server.port}/shop?passfile=/etc/passwd",
                    f"mysql://replicator:file:/etc/passwd@127.0.0.1:{server.port}/shop",
                    f"mysql://replicator:env:PATH@127.0.0.1:{server.port}/shop",
                    f"mysql://replicator@127.0.0.1:{server.port}/shop"):
            with pytest.raises(psycopg2.Error) as refused:
                cursor.execute("SELECT replicator_init(%s, mode => 'once')", (url,))
            assert refused.value.pgcode in ("42501", "2F003"), url
    connection.close()
    cluster.query("DROP OWNED BY visitor; DROP ROLE visitor")


def test_only_a_superuser_uses_an_account_without_a_password(cluster, server, shop, files):
    """From PostgreSQL's host accounts may be reached that ask for no password, which are not the role's."""
    server.create_user("passwordless", "")
    cluster.query("CREATE ROLE visitor; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO visitor; "
                  "GRANT CREATE ON DATABASE postgres TO visitor; GRANT pg_read_server_files TO visitor")
    for name, text in (("empty", ""), ("line", "\n"), ("passfile", "*:*:*:*:\n")):
        (files / name).write_text(text)
    place = f"127.0.0.1:{server.port}/{shop}"
    connection = cluster.connect()
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("SET ROLE visitor")
        for url in (f"mysql://passwordless@{place}", f"mysql://passwordless:@{place}", f"mysql://passwordless@{place}?password=",
                    f"mysql://passwordless@{place}?password", f"mysql://passwordless:file:{files}/empty@{place}",
                    f"mysql://passwordless:file:{files}/line@{place}",
                    f"mysql://passwordless@{place}?passfile={files}/passfile"):
            cursor.execute("SELECT bool_and(ok) FROM replicator_validate(%s, mode => 'once')", (url,))
            assert cursor.fetchone() == (False,), url
            for call in ("SELECT * FROM replicator_discover(%s)", "SELECT replicator_init(%s, name => 'without', mode => 'once')"):
                with pytest.raises(psycopg2.Error) as refused:
                    cursor.execute(call, (url,))
                assert refused.value.pgcode in ("2F003", "28P01"), url
    connection.close()
    cluster.query("SELECT replicator_init(%s, name => 'without', target_schema => 'without', mode => 'once')", (server.url(shop),))
    cluster.wait_for_copy("without")
    # An empty one takes the place of the one that is stored, and the source may not be given to the role then.
    cluster.query("SELECT replicator_alter('without', source_url => %s)", (f"mysql://passwordless:@{place}",))
    cluster.query("CALL replicator_wait('without', '240 s')")
    assert cluster.query("SELECT has_secret FROM replicator.source WHERE name = 'without'") == [(False,)]
    with pytest.raises(psycopg2.Error) as refused:
        cluster.query("SELECT replicator_alter('without', owner => 'visitor')")
    assert refused.value.pgcode == "2F003"
    cluster.query("SELECT replicator_drop('without', drop_tables => true)")
    cluster.query("DROP SCHEMA without; DROP OWNED BY visitor; DROP ROLE visitor")
    server.run("DROP USER passwordless@localhost, passwordless@'127.0.0.1'")


def test_a_server_that_is_away_is_waited_for(cluster, server, shop, mysql_source):
    mysql_source(shop, "away")
    cluster.wait_for_copy("away")
    server.stop()
    try:
        cluster.query("SELECT replicator_sync('away')")
        status = cluster.wait_for_state("away", "backing_off")
        assert status["last_error"] and status["next_retry_at"]
    finally:
        server.start()
    cluster.wait_for_copy("away")


def test_a_password_may_be_referred_to_and_is_seen_nowhere(cluster, server, shop, mysql_source, files):
    path = files / "password"
    path.write_text(PASSWORD + "\n")
    os.chmod(path, 0o600)
    if os.getuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(path, user.pw_uid, user.pw_gid)
    url = f"mysql://replicator:file:{path}@127.0.0.1:{server.port}/shop?sslmode=disable"
    cluster.query("SELECT replicator_init(%s, name => 'referring', target_schema => 'referring', mode => 'once')", (url,))
    cluster.wait_for_copy("referring")
    assert cluster.query("SELECT url, has_secret FROM replicator.source WHERE name = 'referring'") == [(url, False)]
    mysql_source(shop, "secretive")
    cluster.wait_for_copy("secretive")
    shown = json.dumps([cluster.query("SELECT url FROM replicator.source"), cluster.query("SELECT arguments::text FROM replicator_events")])
    assert PASSWORD not in shown and "p%C3%A4ss" not in shown
    assert PASSWORD not in cluster.log_text() and "p%C3%A4ss" not in cluster.log_text()
    os.unlink(path)
    cluster.query("SELECT replicator_sync('referring')")
    wait_until(lambda: cluster.status("referring")["state"] in ("failed", "backing_off"), 45, "the missing file to be noticed")
    assert "password file" in cluster.status("referring")["last_error"]
    cluster.query("SELECT replicator_drop('referring', drop_tables => true)")
