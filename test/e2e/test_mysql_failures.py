"""What can go wrong with a MySQL or MariaDB server that is followed: each has its state, its message and its way out."""
import contextlib
import os
import signal
import subprocess
import time

import pytest

from private_cluster import wait_until
from test_mysql_stream import caught_up, db, equal, follow, rows, table_row  # noqa: F401 (fixtures)


def failure(cluster, *words, state="failed", name="s", timeout=240):
    """The status once it is in the state; error, detail and hint hold the words."""
    status = cluster.wait_for_state(name, state, timeout)
    text = " ".join(filter(None, (status["last_error"], status["detail"], status["hint"])))
    for word in words:
        assert word in text, text
    return status


def copied_anew(cluster, name="s"):
    """What the hints say."""
    cluster.query("SELECT replicator_resync(%s)", (name,))
    caught_up(cluster, name)
    assert cluster.status(name)["state"] == "streaming"


def forget_history(server):
    server.run("RESET MASTER" if server.flavour == "MariaDB" else "RESET BINARY LOGS AND GTIDS")


def test_a_server_with_another_history_is_refused(cluster, db, follow, request):
    follow()
    cluster.query("SELECT replicator_pause('s')")
    wait_until(lambda: not cluster.workers("source worker"), 45, "the worker to end")
    forget_history(db)
    db.run("DELETE FROM customer WHERE id = 1", "shop")
    cluster.query("SELECT replicator_resume('s')")
    failure(cluster, "another history", "replicator_resync")
    assert set(rows(cluster, "customer")) == {"1", "2", "3"}
    copied_anew(cluster)
    assert set(rows(cluster, "customer")) == {"2", "3"} and equal(cluster)


def test_a_log_that_is_reset_under_the_stream_is_noticed(cluster, db, follow):
    follow()
    forget_history(db)
    db.run("DELETE FROM customer WHERE id = 1", "shop")
    failure(cluster, "replicator_resync")
    copied_anew(cluster)
    assert set(rows(cluster, "customer")) == {"2", "3"} and equal(cluster)


def test_a_log_that_is_reset_under_the_stream_and_overtakes_it_at_once_is_noticed(cluster, db, follow):
    forget_history(db)
    db.run("DO SLEEP(1.1)")  # files of a log are told apart by the second that they were begun in
    follow()
    forget_history(db)
    db.run("".join(f"INSERT INTO customer VALUES ({key}, 'again', 0, NULL);" for key in range(100, 140)), "shop")
    failure(cluster, "another history", "replicator_resync")
    copied_anew(cluster)
    assert "139" in rows(cluster, "customer") and equal(cluster)


def test_the_url_of_another_server_is_noticed(cluster, db, follow, server):
    follow()
    with contextlib.ExitStack() as stack:
        other = type(server)()
        stack.callback(other.destroy)
        other.run("CREATE DATABASE shop; CREATE TABLE shop.customer (id INT PRIMARY KEY); CREATE TABLE shop.line (id INT PRIMARY KEY)")
        cluster.query("SELECT replicator_alter('s', source_url => %s)", (other.url("shop"),))
        failure(cluster, "another history", "replicator_alter")
        assert len(rows(cluster, "customer")) == 3
    cluster.query("SELECT replicator_alter('s', source_url => %s)", (server.url("shop"),))
    cluster.wait_for_state("s", "streaming")
    db.run("DELETE FROM customer WHERE id = 1", "shop")
    caught_up(cluster)
    assert equal(cluster)


@pytest.mark.parametrize("setting, value", [("binlog_row_image", "MINIMAL"), ("binlog_row_metadata", "MINIMAL"),
                                            ("binlog_row_value_options", "PARTIAL_JSON")])
def test_a_setting_that_is_changed_is_named(cluster, db, follow, server, setting, value):
    if setting == "binlog_row_value_options" and server.flavour == "MariaDB":
        pytest.skip("MariaDB has no partial JSON")
    db.run("""INSERT INTO customer VALUES (4, 'long', 0, JSON_OBJECT('a', REPEAT('x', 1000), 'b', 1))""", "shop")
    follow()
    before = db.value(f"SELECT @@GLOBAL.{setting}")
    db.run(f"SET GLOBAL {setting} = '{value}'")
    try:
        db.run("UPDATE customer SET notes = JSON_SET(notes, '$.b', 2) WHERE id = 4", "shop")
        failure(cluster, setting, "replicator_resync")
        assert '"b": 1' in rows(cluster, "customer")["4"]
    finally:
        db.run(f"SET GLOBAL {setting} = '{before}'")
    copied_anew(cluster)
    assert '"b": 2' in rows(cluster, "customer")["4"] and equal(cluster)


def test_a_statement_in_the_log_stops_the_source_until_it_is_copied_anew(cluster, db, follow):
    follow()
    db.run("SET SESSION binlog_format = 'STATEMENT'; UPDATE customer SET name = 'as a statement'", "shop")
    failure(cluster, "binlog_format", "UPDATE customer", "replicator_resync")
    copied_anew(cluster)
    assert "as a statement" in rows(cluster, "customer")["1"] and equal(cluster)


def test_a_distributed_transaction_stops_the_source_until_it_is_copied_anew(cluster, db, follow):
    follow()
    db.run("XA START 'x'; UPDATE customer SET name = 'by XA' WHERE id = 1; XA END 'x'; XA PREPARE 'x'", "shop")
    failure(cluster, "distributed transaction", "ONE PHASE", "replicator_resync")
    db.run("XA COMMIT 'x'", "shop")
    copied_anew(cluster)
    db.run("XA START 'y'; UPDATE customer SET name = 'in one phase' WHERE id = 2; XA END 'y'; XA COMMIT 'y' ONE PHASE", "shop")
    caught_up(cluster)
    assert "by XA" in rows(cluster, "customer")["1"] and "in one phase" in rows(cluster, "customer")["2"] and equal(cluster)


def test_a_whole_source_is_copied_anew_while_it_streams(cluster, db, follow):
    follow()
    untouched = cluster.query("SELECT xmin FROM s.customer WHERE id = '3'")
    cluster.query("DELETE FROM s.customer WHERE id = '1'; UPDATE s.customer SET data = '{}' WHERE id = '2'; DROP TABLE s.line")
    db.run("INSERT INTO line VALUES (7, 'x', 7)", "shop")
    wait_until(lambda: table_row(cluster, "line")["state"] == "failed", 45, "the table to fail")
    db.run("INSERT INTO customer VALUES (9, 'late', 0, NULL)", "shop")
    copied_anew(cluster)
    assert equal(cluster) and table_row(cluster, "line")["state"] == "streaming"
    assert cluster.query("SELECT xmin FROM s.customer WHERE id = '3'") == untouched


def registered(cluster, url, name="s", **arguments):
    extra = "".join(f", {key} => %({key})s" for key in arguments)
    cluster.query(f"SELECT replicator_init(%(url)s, name => %(name)s, target_schema => %(name)s{extra})", {"url": url, "name": name, **arguments})
    cluster.wait_for_state(name, "streaming")


@pytest.fixture
def source_s(cluster):
    yield
    if cluster.status("s"):
        cluster.query_when_up("SELECT replicator_drop('s', drop_tables => true)")


def test_another_reader_with_our_server_id_is_named(cluster, db, follow):
    follow(options='{"server_id": 4711}')
    try:
        cluster.query("SELECT replicator_init(%s, name => 'twin', target_schema => 'twin', options => %s)",
                      (db.url("shop"), '{"server_id": 4711}'))
        wait_until(lambda: "server_id" in " ".join(filter(None, cluster.query(
            "SELECT max(last_error), max(detail), max(hint) FROM replicator_status WHERE last_error IS NOT NULL")[0])), 240, "one to say so")
        wait_until(lambda: any(cluster.status(name)["state"] == "failed" for name in ("s", "twin")), what="one to give up")
    finally:
        cluster.query("SELECT replicator_drop('twin', drop_tables => true)")
    cluster.query("SELECT replicator_resume('s')")
    db.run("INSERT INTO customer VALUES (5, 'after', 0, NULL)", "shop")
    caught_up(cluster)
    cluster.wait_for_state("s", "streaming")
    assert equal(cluster)


def change_grants(server, user, *statements):
    """For both of the account's hosts; and lets the connections that are open be made anew."""
    for host in ("127.0.0.1", "localhost"):
        for statement in statements:
            server.run(statement.format(f"'{user}'@'{host}'"))
    for (connection,) in server.query(f"SELECT id FROM information_schema.processlist WHERE user = '{user}'"):
        server._client(f"KILL {connection}", check=False)


@pytest.fixture
def poor(server):
    """An account with rights for two tables only."""
    server.create_user("poor", "pw", "REPLICATION SLAVE ON *.*")
    for host in ("127.0.0.1", "localhost"):
        server.run(f"GRANT SELECT ON shop.customer TO 'poor'@'{host}'; GRANT SELECT ON shop.line TO 'poor'@'{host}'")
    yield server.url("shop", user="poor", password="pw")
    server.run("DROP USER 'poor'@'127.0.0.1', 'poor'@'localhost'")


def test_a_right_to_the_log_that_is_revoked_is_named(cluster, db, poor, source_s):
    registered(cluster, poor)
    change_grants(db, "poor", "REVOKE REPLICATION SLAVE ON *.* FROM {}")
    db.run("DELETE FROM customer WHERE id = 1", "shop")
    failure(cluster, "REPLICATION SLAVE", "GRANT")
    change_grants(db, "poor", "GRANT REPLICATION SLAVE ON *.* TO {}")
    cluster.query("SELECT replicator_resume('s')")
    caught_up(cluster)
    assert set(rows(cluster, "customer")) == {"2", "3"} and equal(cluster)


def test_a_right_to_a_table_that_is_revoked_concerns_that_table(cluster, db, poor, source_s):
    registered(cluster, poor)
    change_grants(db, "poor", "REVOKE SELECT ON shop.line FROM {}")
    db.run("DELETE FROM customer WHERE id = 1", "shop")
    caught_up(cluster)  # the log needs no right to the table
    cluster.query("SELECT replicator_resync('s', 'line')")
    wait_until(lambda: table_row(cluster, "line")["state"] in ("failed", "excluded"), 240, lambda: f"the table to fail alone: {table_row(cluster, 'line')} {cluster.status('s')}")
    db.run("DELETE FROM customer WHERE id = 2", "shop")
    wait_until(lambda: set(rows(cluster, "customer")) == {"3"}, 45, "the other table to go on")
    assert len(rows(cluster, "line")) == 3
    change_grants(db, "poor", "GRANT SELECT ON shop.line TO {}")
    cluster.query("SELECT replicator_resync('s', 'line')" if table_row(cluster, "line")["state"] == "failed" else "SELECT replicator_add_table('s', 'line')")
    caught_up(cluster)
    assert table_row(cluster, "line")["state"] == "streaming" and equal(cluster)


def test_a_table_that_is_damaged_at_the_source_fails_alone(cluster, db, server, mysql_source):
    engine, ending = ("Aria", "MAD") if server.flavour == "MariaDB" else ("MyISAM", "MYD")
    db.run(f"CREATE TABLE broken (id INT PRIMARY KEY AUTO_INCREMENT, v CHAR(200) NOT NULL DEFAULT 'x') ENGINE = {engine}", "shop")
    db.run("INSERT INTO broken (v) SELECT 'y' FROM information_schema.columns LIMIT 2000; FLUSH TABLES", "shop")
    db.stop()
    path = os.path.join(server.data, "shop", f"broken.{ending}")
    os.truncate(path, os.path.getsize(path) // 2 // 8192 * 8192 + 100)
    db.start()
    mysql_source("shop", "s", mode="continuous")
    wait_until(lambda: (table_row(cluster, "broken") or {}).get("state") == "failed", 240, lambda: f"the table to fail: {cluster.status('s')['last_error']} {table_row(cluster, 'broken')}")
    failed = table_row(cluster, "broken")
    assert "REPAIR TABLE" in str(failed) and "broken" in failed["last_error"], failed
    db.run("DELETE FROM customer WHERE id = 1", "shop")
    wait_until(lambda: set(rows(cluster, "customer")) == {"2", "3"} if table_row(cluster, "customer")["state"] == "streaming" else False, 60,
               lambda: f"the others to stream: {cluster.status('s')}")
    db._client("REPAIR TABLE shop.broken")
    cluster.query("SELECT replicator_resync('s', 'broken')")
    caught_up(cluster)
    assert len(rows(cluster, "broken")) == int(db.value("SELECT count(*) FROM shop.broken")) and equal(cluster)


def stopped(server):
    """SIGSTOP: what the network swallows looks the same from here."""
    @contextlib.contextmanager
    def stop():
        os.kill(server.pid(), signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(server.pid(), signal.SIGCONT)
    return stop()


def test_a_server_that_falls_silent_is_noticed_and_waited_for(cluster, db, follow, server):
    follow()
    with stopped(server):
        wait_until(lambda: cluster.query("SELECT lag > interval '3 seconds' FROM replicator_status WHERE name = 's'")[0][0], 45, "the lag to grow")
        status = cluster.wait_for_state("s", "backing_off", 120)
        assert status["last_error"] and status["lag"] > "00:00:03", status
        before = time.monotonic()
        cluster.query("SELECT replicator_pause('s')")
        assert time.monotonic() - before < 9  # less than the shortest patience with a server that is silent
        cluster.query("SELECT replicator_resume('s')")
    db.run("DELETE FROM customer WHERE id = 1", "shop")
    wait_until(lambda: set(rows(cluster, "customer")) == {"2", "3"}, 240, lambda: f"the stream to go on: {cluster.status('s')}")
    cluster.wait_for_state("s", "streaming")
    wait_until(lambda: cluster.query("SELECT lag = interval '0' FROM replicator_status WHERE name = 's'")[0][0], 45, "the lag to be gone")


def reaction(cluster, call, *arguments):
    """Seconds that a control call takes, and until the worker that was there has ended."""
    pid = cluster.status("s")["worker_pid"]
    began = time.monotonic()
    cluster.query(call, arguments)
    returned = time.monotonic() - began
    wait_until(lambda: pid not in cluster.workers("source worker"), 45, "the worker to react", interval=0.01)
    return returned, time.monotonic() - began


def test_control_calls_do_not_wait_for_a_large_transaction(cluster, db, follow):
    """A trigger makes the transaction a minute long, on any machine."""
    rows = 60_000
    db.run("CREATE TABLE large (id INT PRIMARY KEY, v CHAR(40), filler VARCHAR(200))", "shop")
    follow(options='{"apply_batch_rows": 1000}')
    cluster.query("""CREATE FUNCTION s.linger() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM pg_sleep(0.001); RETURN new; END$$;
        CREATE TRIGGER linger BEFORE INSERT ON s.large FOR EACH ROW EXECUTE FUNCTION s.linger();
        ALTER TABLE s.large ENABLE ALWAYS TRIGGER linger""")
    one = "(SELECT 1 FROM information_schema.columns LIMIT 250)"
    db.run(f"SET @n = 0; INSERT INTO large SELECT @n := @n + 1, 'v', REPEAT('x', 150) FROM {one} a, {one} b LIMIT {rows}", "shop")

    def while_applying():
        wait_until(lambda: cluster.query("SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = relation WHERE c.relname = 'large' AND mode = 'RowExclusiveLock'")[0][0] > 0,
                   240, lambda: f"the transaction to be applied: {cluster.status('s')}", interval=0.005)
    while_applying()
    returned, reacted = reaction(cluster, "SELECT replicator_pause('s')")
    assert returned < 15 and reacted < 15, (returned, reacted)
    assert cluster.query("SELECT count(*) FROM s.large") == [(0,)]
    cluster.query("SELECT replicator_resume('s')")
    while_applying()
    began = time.monotonic()
    cluster.query("""SELECT replicator_alter('s', options => '{"apply_batch_rows": 1500}')""")
    assert time.monotonic() - began < 15
    while_applying()
    began = time.monotonic()
    cluster.query("SELECT replicator_drop('s')")
    assert time.monotonic() - began < 15
    assert cluster.query("SELECT count(*) FROM s.large") == [(0,)]
    cluster.query("DROP SCHEMA s CASCADE")
    follow()
    assert cluster.query("SELECT count(*) FROM s.large") == [(rows,)] and equal(cluster)


def test_a_full_disk_is_waited_for(db):
    """The target's disk; in a process of its own, since the disk is seen in a namespace of its own."""
    if os.getuid() != 0:
        pytest.skip("only root may mount")
    script = os.path.join(os.path.dirname(__file__), "on_a_full_disk.py")
    result = subprocess.run(["unshare", "-m", "--propagation", "private", "/usr/bin/python3", script, db.url("shop"), db.socket, db.client[0]], capture_output=True, text=True, timeout=900)
    if result.returncode == 77:
        pytest.skip(result.stdout)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
