"""Mode once of a MySQL or MariaDB server: the first copy is read beside the log, which is followed until the target is one
state of the server, and then left; where the log is of no use the copy is one consistent read."""
import contextlib
import os
import pathlib
import threading

import psycopg2
import pytest

import mysql_compare
from mysql_servers import PASSWORD
from private_cluster import wait_until
from observing import log_not_followed, rows, table_row

ACCOUNTS = 400


def transfer(number):
    """From which account, to which, how much: the same in each run."""
    return number * 7 % ACCOUNTS, number * 11 % ACCOUNTS, number % 50


def balances_after(count):
    a, b = [1000] * ACCOUNTS, [1000] * ACCOUNTS
    for number in range(1, count + 1):
        one, two, amount = transfer(number)
        a[one] -= amount
        b[two] += amount
    return a, b


class Bank:
    """Moves money between two tables, a transaction each, and counts the transactions in a third."""

    def __init__(self, server):
        self.server = server
        self.done = 0
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.write)
        # Wide rows, so that a copy takes its time, and a key that is read in pieces.
        server.run(f"""DROP DATABASE IF EXISTS bank; CREATE DATABASE bank; USE bank;
            CREATE TABLE a (id INT PRIMARY KEY, money INT, filler VARCHAR(200)); CREATE TABLE b LIKE a;
            CREATE TABLE counter (id INT PRIMARY KEY, n INT); INSERT INTO counter VALUES (1, 0);
            SET @n = -1; INSERT INTO a SELECT @n := @n + 1, 1000, REPEAT('x', 200) FROM information_schema.columns LIMIT {ACCOUNTS};
            INSERT INTO b SELECT * FROM a; CREATE TABLE ballast LIKE a; INSERT INTO ballast SELECT * FROM a""")
        for step in range(6):
            server.run(f"INSERT INTO ballast SELECT id + {ACCOUNTS * 2 ** step}, money, filler FROM ballast", "bank")

    def write(self):
        connection = mysql_compare.connect(self.server, "bank", autocommit=True)
        with contextlib.closing(connection), connection.cursor() as cursor:
            while not self.stopped.is_set():
                one, two, amount = transfer(self.done + 1)
                cursor.execute("BEGIN")
                cursor.execute(f"UPDATE a SET money = money - {amount} WHERE id = {one}")
                cursor.execute(f"UPDATE ballast SET money = money + 1 WHERE id = {self.done * 997 % (ACCOUNTS * 64)}")
                cursor.execute(f"UPDATE b SET money = money + {amount} WHERE id = {two}")
                cursor.execute("UPDATE counter SET n = n + 1")
                cursor.execute("COMMIT")
                self.done += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop()
        self.server.run("DROP DATABASE bank")

    def stop(self):
        self.stopped.set()
        self.thread.join()


def held_transactions(cluster, schema="s"):
    """How many transactions of the bank the target holds; it holds nothing else."""
    count = int(cluster.query(f"SELECT data->>'n' FROM {schema}.counter")[0][0])
    for table, expected in zip("ab", balances_after(count)):
        held = cluster.query(f"SELECT (data->>'money')::int FROM {schema}.{table} ORDER BY id::int")
        assert [row[0] for row in held] == expected
    assert cluster.query(f"SELECT sum((data->>'money')::int) FROM {schema}.ballast")[0][0] == ACCOUNTS * 64 * 1000 + count
    return count


def wait_for_idle(cluster, name="s"):
    status = cluster.wait_for_state(name, "idle")
    assert not status["last_error"]
    wait_until(lambda: not cluster.workers("source worker"), 45, "the worker to end")
    return status


def wait_for_no_connection(server):
    """The server may take a moment to see that one was closed."""
    wait_until(lambda: server.value("SELECT count(*) FROM information_schema.processlist WHERE user = 'replicator'") == "0", 45,
               "the end of our connections")


@contextlib.contextmanager
def held_up(cluster, server):
    """The copy of source s is under way: all tables are in but one, which somebody at the source has locked."""
    server.run("CREATE TABLE hold (v INT); INSERT INTO hold VALUES (1)", "shop")
    connection = mysql_compare.connect(server, "shop")
    with contextlib.closing(connection), connection.cursor() as cursor:
        cursor.execute("LOCK TABLES hold WRITE")

        def begin(init):
            init("shop", "s", options='{"connect_timeout": "1s"}')  # that long a copy waits for the lock
            wait_until(lambda: cluster.query("""SELECT count(*) = 2 FROM replicator_tables WHERE source = 's'
                AND "table" IN ('customer', 'line') AND state = 'streaming'""")[0][0], 240, "the other tables")
            wait_until(lambda: "locked it at the source" in (table_row(cluster, "hold")["reason"] or ""), 240, "the lock to be met")
        yield begin


def assert_equal(cluster, server, tables=None):
    with contextlib.closing(cluster.connect()) as postgres:
        assert mysql_compare.differences(server, postgres, {"shop": "s"}, tables) == []


def test_the_target_becomes_one_state_while_others_write(cluster, server, mysql_source):
    with Bank(server) as bank:
        wait_until(lambda: bank.done > 20, 45, "the writer")
        begun_at = bank.done
        mysql_source("bank", "s")
        status = wait_for_idle(cluster)
        assert held_transactions(cluster) > begun_at
        assert status["position"] and status["percent"] == 100
        for table in ("a", "b", "ballast", "counter"):
            row = table_row(cluster, table)
            assert (row["state"], row["consistency"]) == ("idle", "state")
        wait_for_no_connection(server)
        bank.stop()
        with log_not_followed(cluster):
            cluster.query("CALL replicator_wait('s', '240 s')")
        assert held_transactions(cluster) == bank.done


@pytest.mark.parametrize("point", ["chunk_written", "chunk_committed", "before_primary_key", "before_stream_commit", "after_stream_commit"])
def test_it_goes_on_after_a_crash_in_the_middle(cluster, server, mysql_source, point):
    with Bank(server):
        cluster.fail_at(point)
        mysql_source("bank", "s")
        cluster.wait_for_failure()
        wait_for_idle(cluster)
        held_transactions(cluster)
        assert cluster.query("SELECT DISTINCT consistency FROM replicator_tables WHERE source = 's'") == [("state",)]


def test_it_goes_on_after_an_error_and_after_a_pause_in_the_middle(cluster, server, mysql_source):
    with Bank(server) as bank:
        cluster.fail_at("before_stream_commit:error")
        mysql_source("bank", "s", options='{"retry_initial": "1h", "retry_max": "1h"}')
        cluster.wait_for_failure()
        cluster.wait_for_state("s", "backing_off")  # with a position; the log is to be followed
        cluster.query("SELECT replicator_pause('s')")
        at_pause = bank.done
        wait_until(lambda: bank.done > at_pause + 20, 45, "the writer")
        assert cluster.status("s")["state"] == "paused"
        wait_for_no_connection(server)
        cluster.query("SELECT replicator_resume('s')")
        wait_for_idle(cluster)
        assert held_transactions(cluster) > at_pause


def test_what_happens_to_tables_meanwhile_is_in_the_copy(cluster, db, mysql_source):
    with held_up(cluster, db) as begin:
        begin(mysql_source)
        cluster.query("SELECT replicator_pause_table('s', 'line')")
        db.run("""ALTER TABLE customer ADD COLUMN tier INT DEFAULT 7; UPDATE customer SET name = 'changed' WHERE id = 1;
            CREATE TABLE fresh (id INT PRIMARY KEY, v INT); INSERT INTO fresh VALUES (1, 1); DELETE FROM line WHERE a = 2""", "shop")
        cluster.query("SELECT replicator_resume_table('s', 'line')")
    cluster.wait_for_copy("s")
    assert_equal(cluster, db)
    assert set(rows(cluster, "fresh")) == {"1"} and '[2,""]' not in rows(cluster, "line")
    assert {table_row(cluster, table)["state"] for table in ("customer", "line", "fresh", "hold")} == {"idle"}
    db.run("UPDATE customer SET tier = 8 WHERE id = 2; DROP TABLE fresh", "shop")
    with log_not_followed(cluster):
        cluster.query("SELECT replicator_sync('s')")
        cluster.wait_for_copy("s")
    assert_equal(cluster, db)


def test_a_pause_while_rows_are_read(cluster, db, mysql_source):
    with held_up(cluster, db) as begin:
        begin(mysql_source)
        cluster.query("SELECT replicator_pause('s')")
        wait_until(lambda: not cluster.workers("source worker"), 45, "the worker to end")
        db.run("UPDATE customer SET name = 'changed' WHERE id = 1; DELETE FROM line WHERE a = 2", "shop")
        cluster.query("SELECT replicator_resume('s')")
    cluster.wait_for_copy("s")
    assert_equal(cluster, db)
    assert int(cluster.query("SELECT sum(changes_applied) FROM replicator_status WHERE name = 's'")[0][0]) >= 2


def test_a_log_that_was_reset_meanwhile_leads_to_one_consistent_read(cluster, db, mysql_source):
    def given_up():
        return cluster.query("SELECT count(*) FROM replicator_events WHERE source = 's' AND action LIKE 'log not followed%'")[0][0]
    before = given_up()
    with held_up(cluster, db) as begin:
        begin(mysql_source)
        cluster.query("SELECT replicator_pause('s')")
        wait_until(lambda: not cluster.workers("source worker"), 45, "the worker to end")
    db.run("RESET MASTER" if db.flavour == "MariaDB" else "RESET BINARY LOGS AND GTIDS")
    db.run("SET sql_log_bin = 0; UPDATE customer SET name = 'changed' WHERE id = 1; DELETE FROM line WHERE a = 2", "shop")
    cluster.query("SELECT replicator_resume('s')")
    cluster.wait_for_copy("s")
    assert_equal(cluster, db)
    assert set(rows(cluster, "line")) == {'[1,"x"]', '[1,"X"]'}
    assert given_up() == before + 1
    assert not cluster.status("s")["last_error"]


def test_a_log_that_was_switched_off_meanwhile_leads_to_one_consistent_read(cluster, db, mysql_source):
    before = dict(db.settings)
    with held_up(cluster, db) as begin:
        begin(mysql_source)
        unlogged = pathlib.Path(db.directory, "unlogged.sql")  # by the server itself, before it lets the worker in again
        unlogged.write_text("UPDATE shop.customer SET name = 'changed' WHERE id = 1;\nDELETE FROM shop.line WHERE a = 2;\n")
        db.settings.pop("log-bin", None)
        db.settings |= {"skip-log-bin": None, "init-file": unlogged}
        db.restart()
    try:
        cluster.wait_for_copy("s")
        assert_equal(cluster, db)
        assert set(rows(cluster, "line")) == {'[1,"x"]', '[1,"X"]'}
        # A server that keeps no log is copied by one consistent read from the beginning.
        with log_not_followed(cluster):
            mysql_source("shop", "unlogged")
            cluster.wait_for_copy("unlogged")
        assert rows(cluster, "customer", "unlogged") == rows(cluster, "customer")
        with pytest.raises(psycopg2.Error, match="log_bin"):
            cluster.query("SELECT replicator_alter('unlogged', mode => 'continuous')")
    finally:
        db.settings = before
        db.restart()


def test_select_is_enough(cluster, db):
    db.create_user("reader", PASSWORD, "SELECT ON *.*")
    with log_not_followed(cluster):
        cluster.query("SELECT replicator_init(%s, name => 'reading', target_schema => 'reading', mode => 'once')",
                      (db.url("shop", user="reader"),))
        cluster.wait_for_copy("reading")
    assert len(rows(cluster, "customer", "reading")) == 3
    assert not cluster.status("reading")["last_error"]
    cluster.query("SELECT replicator_drop('reading', drop_tables => true)")


def test_changes_that_are_not_logged_are_no_way_to_one_state(cluster, db, mysql_source):
    """What a foreign key does by itself MariaDB does not log."""
    db.run("CREATE TABLE child (id INT PRIMARY KEY, customer BIGINT UNSIGNED, "
           "FOREIGN KEY (customer) REFERENCES customer (id) ON DELETE CASCADE); INSERT INTO child VALUES (1, 1), (2, 2)", "shop")
    with log_not_followed(cluster) if db.flavour == "MariaDB" else contextlib.nullcontext(cluster.fail_at("before_stream_commit:error")):
        mysql_source("shop", "s")
        cluster.wait_for_copy("s")
    assert not os.path.exists(cluster.failure_file())
    assert_equal(cluster, db)


def test_another_mode_in_the_middle(cluster, db, mysql_source):
    for mode, state in (("continuous", "streaming"), ("periodic", "idle")):
        with held_up(cluster, db) as begin:
            begin(mysql_source)
            cluster.query("SELECT replicator_alter('s', mode => %s, refresh_interval => %s)",
                          (mode, "1 hour" if mode == "periodic" else None))
            db.run("UPDATE customer SET rate = coalesce(rate, 0) + 1", "shop")
        cluster.wait_for_state("s", state)
        cluster.query("CALL replicator_wait('s', '240 s')")
        assert_equal(cluster, db)
        cluster.query("SELECT replicator_drop('s', drop_tables => true)")
        db.run("DROP TABLE hold", "shop")


@pytest.mark.parametrize("before, after, state", [("continuous", "once", "idle"), ("continuous", "periodic", "idle"),
                                                  ("once", "continuous", "streaming"), ("periodic", "continuous", "streaming")])
def test_a_copy_that_is_under_way_ends_with_its_plan(cluster, db, mysql_source, before, after, state):
    """What it has kept of a state is no place in the log, nor the other way round, though nothing is written meanwhile."""
    interval = {"continuous": None, "once": None, "periodic": "1 hour"}
    with cluster.waiting_at("chunk_committed", lambda: mysql_source("shop", "s", mode=before, refresh_interval=interval[before])):
        cluster.query("SELECT replicator_pause('s')")
    wait_until(lambda: not cluster.workers("source worker"), 45, "the worker to end")
    assert cluster.query("SELECT copy_position IS NOT NULL FROM replicator.source_state") == [(True,)]
    cluster.query("SELECT replicator_alter('s', mode => %s, refresh_interval => %s)", (after, interval[after]))
    cluster.query("SELECT replicator_resume('s')")
    cluster.wait_for_state("s", state)
    wait_until(lambda: {table_row(cluster, table)["state"] for table in ("customer", "line")} == {state}, 60,
               lambda: f"all tables to be in: {cluster.query('SELECT * FROM replicator_tables')}")
    assert_equal(cluster, db)
    db.run("UPDATE customer SET name = 'changed' WHERE id = 1; DELETE FROM line WHERE a = 2; INSERT INTO line VALUES (3, 'new', 4)", "shop")
    cluster.query("SELECT replicator_sync('s')")
    cluster.query("CALL replicator_wait('s', '240 s')")
    assert_equal(cluster, db)


@contextlib.contextmanager
def open_registration(cluster, database, schema):
    """Of a table whose target would be <schema>.newt, by somebody who does not commit it."""
    path = database("theirs.db", "CREATE TABLE newt (id INTEGER PRIMARY KEY)")
    with contextlib.closing(cluster.connect()) as other, other.cursor() as cursor:
        cursor.execute("BEGIN; SELECT replicator_init(%s, name => 'theirs', target_schema => %s)", (f"sqlite://{path}", schema))
        yield
        cursor.execute("ROLLBACK")


NEWT = "SELECT state FROM replicator_tables WHERE source = 's' AND \"table\" = 'newt'"


def test_nobody_waits_for_the_open_registration_of_somebody_else(cluster, db, follow, database):
    follow()
    with open_registration(cluster, database, "s"):
        db.run("CREATE TABLE newt (id INT PRIMARY KEY); INSERT INTO newt VALUES (1); INSERT INTO customer VALUES (70, '', 0, NULL)", "shop")
        cluster.query("CALL replicator_wait('s', '60 s')")
        assert cluster.query("SELECT count(*) FROM s.customer") == [(4,)] and cluster.query(NEWT) == [("unsupported",)]
    wait_until(lambda: cluster.query(NEWT) == [("streaming",)], what="the table")


def test_a_first_copy_does_not_wait_for_the_open_registration_of_somebody_else(cluster, db, mysql_source, database):
    with contextlib.ExitStack() as stack:
        with cluster.waiting_at("worker_begins", lambda: mysql_source("shop", "s", mode="once")):
            stack.enter_context(open_registration(cluster, database, "s"))
            db.run("CREATE TABLE newt (id INT PRIMARY KEY)", "shop")
        assert cluster.wait_for_state("s", "idle", 60) and cluster.query(NEWT) == [("unsupported",)]
    cluster.query("SELECT replicator_sync('s')")
    cluster.query("CALL replicator_wait('s', '240 s')")
    assert cluster.query(NEWT) == [("idle",)]
