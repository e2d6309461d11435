"""What can go wrong with a MySQL or MariaDB server that is followed: each has its state, its message and its way out."""
import contextlib
import os
import signal
import threading
import time

import psycopg2
import pytest

from mysql_servers import PASSWORD, MariaDbServer, MySqlServer, UnavailableServer
from private_cluster import PrivateCluster, wait_until
from test_mysql_stream import caught_up, db, equal, follow, rows, table_row  # noqa: F401 (fixtures)


def failure(cluster, *words, state="failed", name="s", timeout=60):
    """The status once it is in the state; error, detail and hint hold the words."""
    status = cluster.wait_for_state(name, state, timeout)
    text = " ".join(filter(None, cluster.query("SELECT last_error, last_detail, last_hint FROM replicator.source_state st "
                                               "JOIN replicator.source s ON s.id = source_id WHERE name = %s", (name,))[0]))
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
    wait_until(lambda: not cluster.workers("source worker"), 30, "the worker to end")
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
    wait_until(lambda: table_row(cluster, "line")["state"] == "failed", 30, "the table to fail")
    db.run("INSERT INTO customer VALUES (9, 'late', 0, NULL)", "shop")
    copied_anew(cluster)
    assert equal(cluster) and table_row(cluster, "line")["state"] == "streaming"
    assert cluster.query("SELECT xmin FROM s.customer WHERE id = '3'") == untouched


class FollowedByAnother:
    """Two servers of one kind: the second follows the first with GTIDs."""
    def __init__(self, kind, stack):
        settings = {"log-slave-updates": "ON", "gtid-domain-id": 0} if kind is MariaDbServer else {}
        self.first, self.second = kind(settings), kind(settings)
        stack.callback(self.first.destroy)
        stack.callback(self.second.destroy)
        self.first.create_user("follower", "pw", "REPLICATION SLAVE ON *.*")
        self.first.run("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY, v INT); INSERT INTO shop.t VALUES (1, 1), (2, 2)")
        self.second.run("DROP USER 'replicator'@'127.0.0.1', 'replicator'@'localhost'")
        forget_history(self.second)
        if kind is MariaDbServer:
            self.second.run(f"SET GLOBAL gtid_slave_pos = ''; CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {self.first.port}, MASTER_USER = "
                            "'follower', MASTER_PASSWORD = 'pw', MASTER_USE_GTID = slave_pos; START SLAVE")
        else:
            self.second.run(f"CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = {self.first.port}, SOURCE_USER = 'follower', "
                            "SOURCE_PASSWORD = 'pw', SOURCE_AUTO_POSITION = 1, GET_SOURCE_PUBLIC_KEY = 1; START REPLICA")

    def second_has(self, count):
        return self.second._client("SELECT count(*) FROM shop.t", check=False).stdout.decode().strip() == str(count)

    def promote(self):
        self.second.run("STOP SLAVE; RESET SLAVE ALL" if self.second.flavour == "MariaDB" else "STOP REPLICA; RESET REPLICA ALL")


@pytest.fixture
def pair(server):
    with contextlib.ExitStack() as stack:
        yield FollowedByAnother(type(server), stack)


def registered(cluster, url, name="s", **arguments):
    extra = "".join(f", {key} => %({key})s" for key in arguments)
    cluster.query(f"SELECT replicator_init(%(url)s, name => %(name)s, target_schema => %(name)s{extra})", {"url": url, "name": name, **arguments})
    cluster.wait_for_state(name, "streaming")


@pytest.fixture
def source_s(cluster):
    yield
    if cluster.status("s"):
        cluster.query_when_up("SELECT replicator_drop('s', drop_tables => true)")


def test_a_failover_leaves_no_gap(cluster, pair, source_s):
    registered(cluster, pair.first.url("shop"))
    pair.first.run("INSERT INTO shop.t VALUES (3, 3)")
    caught_up(cluster)
    wait_until(lambda: pair.second_has(3), 60, "the second server to follow")
    cluster.query("SELECT replicator_pause('s')")
    wait_until(lambda: not cluster.workers("source worker"), 30, "the worker to end")
    pair.first.run("UPDATE shop.t SET v = 30 WHERE id = 3; INSERT INTO shop.t VALUES (4, 4)")
    wait_until(lambda: pair.second_has(4), 60, "the second server to follow")
    cluster.query("SELECT replicator_resume('s')")
    pair.first.kill()
    pair.promote()
    pair.second.run("DELETE FROM shop.t WHERE id = 1; INSERT INTO shop.t VALUES (5, 5)")
    failure(cluster, state="backing_off")
    cluster.query("SELECT replicator_alter('s', source_url => %s)", (pair.second.url("shop"),))
    cluster.wait_for_state("s", "streaming")
    caught_up(cluster)
    assert cluster.query("SELECT id, data->>'v' FROM s.t ORDER BY id") == [("2", "2"), ("3", "30"), ("4", "4"), ("5", "5")]
    copies = cluster.query("SELECT rows_inserted FROM replicator_tables WHERE source = 's'")
    assert copies[0][0] >= 2, "it went on with the log, and did not copy"
    pair.second.run("FLUSH BINARY LOGS; INSERT INTO shop.t VALUES (6, 6)")
    caught_up(cluster)
    assert equal(cluster)


def test_a_failover_to_a_server_that_was_behind_is_refused(cluster, pair, source_s):
    registered(cluster, pair.first.url("shop"))
    wait_until(lambda: pair.second_has(2), 60, "the second server to follow")
    pair.promote()
    pair.first.run("INSERT INTO shop.t VALUES (3, 3)")
    caught_up(cluster)
    pair.first.kill()
    pair.second.run("INSERT INTO shop.t VALUES (7, 7)")
    cluster.query("SELECT replicator_alter('s', source_url => %s)", (pair.second.url("shop"),))
    failure(cluster, "a failover to a server that was behind", "replicator_resync")
    copied_anew(cluster)
    assert {key for (key,) in cluster.query("SELECT id FROM s.t")} == {"1", "2", "7"} and equal(cluster)


def test_another_reader_with_our_server_id_is_named(cluster, db, follow):
    follow(options='{"server_id": 4711}')
    registered(cluster, db.url("shop"), "twin", options='{"server_id": 4711}')
    try:
        wait_until(lambda: "server_id" in " ".join(filter(None, cluster.query(
            "SELECT max(last_error), max(last_detail), max(last_hint) FROM replicator.source_state WHERE last_error IS NOT NULL")[0])), 60, "one to say so")
        wait_until(lambda: any((cluster.status(name) or {})["state"] == "backing_off" for name in ("s", "twin")), 60, "one to back off", interval=0.005)
    finally:
        cluster.query("SELECT replicator_drop('twin', drop_tables => true)")
    db.run("INSERT INTO customer VALUES (5, 'after', 0, NULL)", "shop")
    caught_up(cluster)
    cluster.wait_for_state("s", "streaming")
    assert equal(cluster)
