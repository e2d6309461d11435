"""The source crashes: what its log has, its tables may have lost. That is seen in its log, and mended."""
import contextlib
import pathlib
import struct

import pytest

from private_cluster import wait_until
from mysql_sessions import Session
from observing import caught_up, failure, registered, rows, table_row

KEEPS = {"innodb-flush-log-at-trx-commit": 1}
LOSES = {"innodb-flush-log-at-trx-commit": 0}


@pytest.fixture
def crashing(cluster, server, source_s):
    """Makes a server with these settings, whose database shop is then followed."""
    with contextlib.ExitStack() as stack:
        def begin(settings, **arguments):
            own = type(server)(settings)
            stack.callback(own.destroy)
            own.run("CREATE DATABASE shop; USE shop; CREATE TABLE t (id INT PRIMARY KEY, v INT); INSERT INTO t VALUES (1, 1), (2, 2); "
                    "CREATE TABLE bag (v INT); INSERT INTO bag VALUES (1), (1); "
                    "CREATE TABLE loose (id INT PRIMARY KEY, v INT) ENGINE=MyISAM; INSERT INTO loose VALUES (1, 1), (2, 2)")
            registered(cluster, own.url("shop"), **arguments)
            caught_up(cluster)
            return own
        yield begin


def crash(server):
    server.kill()
    server.start()


def lose(server, *statements):
    """What a crash may take; the log does not tell it."""
    server.run("SET sql_log_bin = 0; " + "; ".join(statements), "shop")


def alike(cluster, server):
    """The target has the rows of the source."""
    for table in ("t", "loose"):
        here = cluster.query(f"SELECT id, data->>'v' FROM s.{table} ORDER BY id")
        if here != sorted(tuple(row) for row in server.query(f"SELECT id, v FROM {table}", "shop")):
            return False
    return cluster.query("SELECT count(*) FROM s.bag")[0][0] == int(server.value("SELECT count(*) FROM bag", "shop"))


def told(cluster):
    return [row[0] for row in cluster.query("SELECT action FROM replicator_events WHERE source = 's' AND action LIKE 'crash of%%' AND at > "
                                            "(SELECT max(at) FROM replicator_events WHERE action = 'replicator_init') ORDER BY at")]


def paused(cluster):
    cluster.query("SELECT replicator_pause('s')")
    wait_until(lambda: not cluster.workers("source worker"), 45, "the worker to end")


def resumed(cluster):
    cluster.query("SELECT replicator_resume('s')")
    caught_up(cluster)


ALL = "crash of the source: all tables are compared"


def test_what_a_crash_has_taken_from_the_source_is_taken_from_the_target(cluster, crashing):
    """For real: the binary log has what InnoDB had not written yet. It may have written all by chance."""
    server = crashing(LOSES | {"innodb-flush-log-at-timeout": 2700})
    for round_number in range(10):
        first = 1000 * (round_number + 1)
        server.run("".join(f"INSERT INTO t VALUES ({first + i}, 0);" for i in range(200)), "shop")
        wait_until(lambda last=first + 199: str(last) in rows(cluster, "t"), 45, "the rows to arrive")
        crash(server)
        if int(server.value("SELECT count(*) FROM t WHERE v = 0", "shop")) != 200 * (round_number + 1):
            break
    else:
        raise AssertionError("nothing was lost")
    caught_up(cluster)
    at_source = {row[0] for row in server.query("SELECT id FROM t", "shop")}
    assert set(rows(cluster, "t")) == at_source and alike(cluster, server)
    assert told(cluster) == [ALL] * (round_number + 1)


def test_a_crash_that_nobody_saw_is_found_after_restarts(cluster, crashing):
    """Also where transactions came before it that were not read yet, and after it; and it is found once."""
    server = crashing(LOSES)
    paused(cluster)
    crash(server)
    lose(server, "DELETE FROM t WHERE id = 1", "DELETE FROM bag LIMIT 1", "DELETE FROM loose WHERE id = 1")
    server.restart()
    server.restart()
    resumed(cluster)
    assert set(rows(cluster, "t")) == set(rows(cluster, "loose")) == {"2"} and alike(cluster, server) and told(cluster) == [ALL]
    paused(cluster)
    resumed(cluster)
    assert told(cluster) == [ALL]
    paused(cluster)
    server.run("INSERT INTO t VALUES (3, 3)", "shop")
    crash(server)
    lose(server, "DELETE FROM t WHERE id = 3")
    server.restart()
    server.run("INSERT INTO t VALUES (4, 4)", "shop")
    resumed(cluster)
    assert set(rows(cluster, "t")) == {"2", "4"} and alike(cluster, server) and told(cluster) == [ALL] * 2
    for row in 5, 6:
        paused(cluster)
        server.run(f"INSERT INTO t VALUES ({row}, 1)", "shop")
        resumed(cluster)
    assert told(cluster) == [ALL] * 2


def test_a_log_that_the_server_has_ended_itself_says_nothing_of_a_crash(cluster, crashing):
    server = crashing(LOSES)
    for away in (False, True):
        paused(cluster) if away else None
        server.restart()
        server.begin_log_file()
        server.run("INSERT INTO t VALUES (10, 10)", "shop")
        server.begin_log_file()
        server.begin_log_file()
        server.restart()
        resumed(cluster) if away else caught_up(cluster)
        server.run("DELETE FROM t WHERE id = 10", "shop")
        server.begin_log_file()
        caught_up(cluster)
        paused(cluster)
        resumed(cluster)
    assert told(cluster) == [] and alike(cluster, server)


def test_only_tables_without_transactions_are_compared_if_the_server_keeps_its_commits(cluster, crashing):
    """What is lost of others here would not be in a crash."""
    server = crashing(KEEPS)
    crash(server)
    lose(server, "DELETE FROM t WHERE id = 1", "DELETE FROM loose WHERE id = 1")
    caught_up(cluster)
    wait_until(lambda: set(rows(cluster, "loose")) == {"2"}, 45, lambda: f"the table: {table_row(cluster, 'loose')}")
    assert set(rows(cluster, "t")) == {"1", "2"}
    assert told(cluster) == ["crash of the source: tables without transactions are compared"]
    server.run("INSERT INTO t VALUES (1, 1) ON DUPLICATE KEY UPDATE v = 1; ALTER TABLE loose ENGINE=InnoDB", "shop")
    crash(server)
    caught_up(cluster)
    server.run("INSERT INTO t VALUES (7, 7)", "shop")
    caught_up(cluster)
    assert len(told(cluster)) == 1 and alike(cluster, server)


def test_a_table_that_others_have_locked_then_has_no_other_compared(cluster, crashing):
    """Which engine it has is known."""
    server = crashing(KEEPS)
    paused(cluster)
    crash(server)
    lose(server, "DELETE FROM t WHERE id = 1", "DELETE FROM loose WHERE id = 1")
    # A description of all tables waits for this one, on MariaDB.
    session = Session(server, "shop", "CREATE TABLE busy (id INT PRIMARY KEY) AS SELECT 7 AS id, SLEEP(240) AS w")
    try:
        resumed(cluster)
        wait_until(lambda: set(rows(cluster, "loose")) == {"2"}, 45, lambda: f"the table: {table_row(cluster, 'loose')}")
        assert told(cluster) == ["crash of the source: tables without transactions are compared"]
    finally:
        session.end()
    caught_up(cluster)
    assert set(rows(cluster, "t")) == {"1", "2"}


@pytest.mark.parametrize("running", [False, True], ids=["at the start", "while it runs"])
def test_the_setting_counts_as_it_was_before_the_crash(cluster, crashing, running):
    server = crashing(KEEPS if running else LOSES)
    if running:
        server.run("SET GLOBAL innodb_flush_log_at_trx_commit = 0")
        wait_until(lambda: server.run("UPDATE t SET v = v + 1", "shop") or "commits=lossy" in cluster.status("s")["position"], 60,
                   "the setting to be seen")
    server.settings |= KEEPS
    server.kill()
    server.start()
    lose(server, "DELETE FROM t WHERE id = 1")
    caught_up(cluster)
    wait_until(lambda: set(rows(cluster, "t")) == {"2"}, 45, lambda: f"the table: {table_row(cluster, 't')}")
    assert told(cluster) == [ALL]
    server.run("INSERT INTO t VALUES (3, 3)", "shop")
    caught_up(cluster)
    wait_until(lambda: "commits=lossy" not in cluster.status("s")["position"], 45, "the setting to be seen")
    server.run("ALTER TABLE loose ENGINE=InnoDB", "shop")
    caught_up(cluster)
    crash(server)
    server.run("INSERT INTO t VALUES (4, 4)", "shop")
    caught_up(cluster)
    assert told(cluster) == [ALL] and alike(cluster, server)


@pytest.mark.parametrize("unread", ["none", "before the end of the file", "after it"])
def test_the_setting_counts_until_all_of_the_log_is_read(cluster, crashing, unread):
    """The server has ended a file itself, and the crash comes behind it; then it is set to keep commits. Both are read late."""
    server = crashing(LOSES)
    server.run("INSERT INTO t VALUES (3, 3)", "shop")
    caught_up(cluster)
    cluster.query("SELECT replicator_pause_table('s', 'bag')")
    paused(cluster)
    assert "commits=lossy" in cluster.status("s")["position"]
    server.run("INSERT INTO t VALUES (4, 4)", "shop") if unread.startswith("before") else None
    server.begin_log_file()
    server.run("INSERT INTO t VALUES (4, 4)", "shop") if unread.startswith("after") else None
    server.settings |= KEEPS
    crash(server)
    lose(server, "DELETE FROM t WHERE id >= 3")
    resumed(cluster)
    wait_until(lambda: set(rows(cluster, "t")) == {"1", "2"}, 45, lambda: f"the table: {table_row(cluster, 't')}")
    assert told(cluster) == [ALL]
    assert table_row(cluster, "bag")["reason"] == "is compared with the source, whose rows may differ from what was read of it"


@pytest.mark.parametrize("cut", [27, 31], ids=["between events", "within one"])
@pytest.mark.parametrize("crashes", [1, 2])
def test_a_crash_that_leaves_half_a_transaction_is_found(cluster, crashing, crashes, cut):
    """Which the server does not count: it begins a stream with the file behind."""
    server = crashing(LOSES)
    if server.flavour == "MySQL":
        pytest.skip("MySQL cuts it off when it starts")
    server.run("INSERT INTO t VALUES (4, 4)", "shop")
    caught_up(cluster)
    paused(cluster)
    for _ in range(crashes):
        server.crash_within_transaction("INSERT INTO t VALUES (3, 3)", "DELETE FROM t WHERE id = 3", "shop", cut)
    lose(server, "DELETE FROM t WHERE id = 1")
    for _ in range(2):
        resumed(cluster)
        wait_until(lambda: set(rows(cluster, "t")) == {"2", "4"}, 45, lambda: f"the table: {table_row(cluster, 't')}")
        assert told(cluster) == [ALL]
        paused(cluster)
    server.run("INSERT INTO t VALUES (5, 5)", "shop")
    resumed(cluster)
    assert set(rows(cluster, "t")) == {"2", "4", "5"} and told(cluster) == [ALL]


def test_half_an_event_between_transactions_that_are_not_ours_is_passed(cluster, crashing):
    """Only a stream from behind those before it gets on."""
    server = crashing(LOSES)
    if server.flavour == "MySQL":
        pytest.skip("MySQL cuts it off when it starts")
    server.run("CREATE DATABASE other; CREATE TABLE other.o (id INT PRIMARY KEY)")
    caught_up(cluster)
    paused(cluster)
    server.crash_within_transaction("INSERT INTO other.o VALUES (1); INSERT INTO t VALUES (3, 3)", "DELETE FROM t WHERE id = 3", "shop", 31)
    lose(server, "DELETE FROM t WHERE id = 1")
    server.run("INSERT INTO other.o VALUES (2)")
    resumed(cluster)
    wait_until(lambda: set(rows(cluster, "t")) == {"2"}, 45, lambda: f"the table: {table_row(cluster, 't')}")
    assert told(cluster) == [ALL]
    server.run("INSERT INTO t VALUES (5, 5)", "shop")
    caught_up(cluster)
    assert set(rows(cluster, "t")) == {"2", "5"} and told(cluster) == [ALL]


@pytest.mark.parametrize("writes", [False, True], ids=["with nothing new", "with more"])
def test_a_crash_of_a_server_before_it_takes_over_is_found(cluster, pair, source_s, writes):
    """What it had got, and had in its log, its tables have lost."""
    registered(cluster, pair.first.url("shop"))
    pair.first.run("INSERT INTO shop.t VALUES (3, 3)")
    caught_up(cluster)
    wait_until(lambda: pair.second_has(3), 240, "the second server to follow")
    paused(cluster)
    crash(pair.second)
    pair.promote()
    lose(pair.second, "DELETE FROM t WHERE id = 3")
    pair.first.kill()
    if writes:
        pair.second.run("INSERT INTO shop.t VALUES (4, 4)")
    cluster.query("SELECT replicator_alter('s', source_url => %s)", (pair.second.url("shop"),))
    for _ in range(2):
        resumed(cluster)
        assert set(rows(cluster, "t")) == {"1", "2"} | ({"4"} if writes else set()) and told(cluster) == [ALL]
        paused(cluster)


def test_the_name_of_the_log_may_have_any_characters(cluster, crashing):
    server = crashing(LOSES | {"log-bin": "my log: 100%25"})
    server.run("INSERT INTO t VALUES (3, 3)", "shop")
    for row in (4, 5):
        paused(cluster)
        server.run(f"INSERT INTO t VALUES ({row}, 1)", "shop")
        server.begin_log_file()
        resumed(cluster)
    assert set(rows(cluster, "t")) == {"1", "2", "3", "4", "5"}
    paused(cluster)
    crash(server)
    lose(server, "DELETE FROM t WHERE id = 1")
    for _ in range(2):
        resumed(cluster)
        assert set(rows(cluster, "t")) == {"2", "3", "4", "5"} and told(cluster) == [ALL]
        paused(cluster)
    resumed(cluster)


def test_who_trusts_the_source_compares_nothing_and_who_wants_an_error_gets_one(cluster, crashing):
    server = crashing(LOSES, options='{"after_failover": "trust"}')
    paused(cluster)
    crash(server)
    lose(server, "DELETE FROM t WHERE id = 1")
    server.run("INSERT INTO t VALUES (3, 3)", "shop")
    resumed(cluster)
    assert set(rows(cluster, "t")) == {"1", "2", "3"} and told(cluster) == ["crash of the source: trusted"]
    cluster.query("""SELECT replicator_alter('s', options => '{"after_failover": "error"}')""")
    caught_up(cluster)
    paused(cluster)
    crash(server)
    server.run("INSERT INTO t VALUES (4, 4)", "shop")
    cluster.query("SELECT replicator_resume('s')")
    failure(cluster, "has crashed", "innodb_flush_log_at_trx_commit", "after_failover")
    assert "4" not in rows(cluster, "t"), "nothing was written yet"
    cluster.query("""SELECT replicator_alter('s', options => '{"after_failover": "verify"}')""")
    resumed(cluster)
    assert set(rows(cluster, "t")) == {"2", "3", "4"} and alike(cluster, server) and told(cluster)[1:] == [ALL]


def test_a_crash_after_files_that_are_gone_cannot_be_excluded(cluster, crashing):
    server = crashing(LOSES)
    paused(cluster)
    crash(server)
    lose(server, "DELETE FROM t WHERE id = 1")
    server.begin_log_file()
    last = server.query("SHOW BINARY LOGS")[-1][0]
    wait_until(lambda: server.run(f"PURGE BINARY LOGS TO '{last}'") or len(server.query("SHOW BINARY LOGS")) == 1, 45, "the purge")
    resumed(cluster)
    assert set(rows(cluster, "t")) == {"2"} and told(cluster) == [ALL]
    paused(cluster)
    resumed(cluster)
    server.begin_log_file()
    server.run("INSERT INTO t VALUES (3, 3)", "shop")
    caught_up(cluster)
    assert told(cluster) == [ALL] and alike(cluster, server)


def say_that_changes_are_missing(server, sql=""):
    """Leaves an INCIDENT at the end of the log's file, which the server has ended."""
    server.run("SET GLOBAL binlog_checksum = NONE")
    server.begin_log_file()
    server.run(sql, "shop")
    path = pathlib.Path(server.data, server.query("SHOW BINARY LOGS")[-1][0])
    server.stop()
    log = path.read_bytes()
    kind, length = 26, 22
    path.write_bytes(log + struct.pack("<IBIIIHHB", 1_700_000_000, kind, 1, length, len(log) + length, 0, 1, 0))
    server.start()


def test_changes_that_the_server_has_not_logged_are_told_of_once(cluster, crashing):
    """Also where nothing stands after what says so, and whether it comes with unread transactions or not."""
    def told_of():
        return cluster.query("SELECT count(*) FROM replicator_events WHERE source = 's' AND action LIKE 'changes not read%%' AND at > "
                             "(SELECT max(at) FROM replicator_events WHERE action = 'replicator_init')")[0][0]
    server = crashing(LOSES)
    for number, sql in enumerate(("", "INSERT INTO t VALUES (3, 3)")):
        paused(cluster)
        say_that_changes_are_missing(server, sql)
        lose(server, "UPDATE t SET v = v + 10 WHERE id = 2")
        for _ in range(2):
            resumed(cluster)
            # What stands after the last transaction is told a moment after that, and done when it is time again.
            wait_until(lambda: alike(cluster, server) and told_of() == number + 1, 60, lambda: f"the row: {cluster.status('s')}")
            paused(cluster)
        server.run("INSERT INTO loose VALUES (9, 9); DELETE FROM loose WHERE id = 9", "shop")
        resumed(cluster)
        assert told_of() == number + 1
    assert told(cluster) == []


def test_a_damaged_gtid_stops_nothing(cluster, crashing):
    server = crashing(KEEPS)
    paused(cluster)
    server.run("INSERT INTO t VALUES (3, 3)", "shop")
    file = server.query("SHOW BINARY LOGS")[-1][0]
    place = max(int(row[1]) for row in server.query(f"SHOW BINLOG EVENTS IN '{file}'") if "Gtid" in row[2:3])
    path = pathlib.Path(server.data, file)
    log = bytearray(path.read_bytes())
    log[place + 21] ^= 1
    path.write_bytes(log)
    for row in (None, 4):
        server.run(f"INSERT INTO t VALUES ({row}, 4)", "shop") if row else None
        resumed(cluster)
        assert set(rows(cluster, "t")) == {"1", "2", "3"} | ({"4"} if row else set()) and alike(cluster, server)
        assert cluster.status("s")["state"] == "streaming"
        paused(cluster)
    assert cluster.query("SELECT count(*) FROM replicator_events WHERE source = 's' AND action LIKE 'changes not read%%' AND at > "
                         "(SELECT max(at) FROM replicator_events WHERE action = 'replicator_init')") == [(1,)]


def test_validate_warns_of_commits_that_a_crash_takes(cluster, server):
    def check():
        (ok, severity, detail), = cluster.query("SELECT ok, severity, detail FROM replicator_validate(%s, mode => 'continuous') WHERE "
                                                "\"check\" = 'innodb_flush_log_at_trx_commit'", (server.url(),))
        return ok, severity, detail
    before = server.value("SELECT @@global.innodb_flush_log_at_trx_commit")
    try:
        server.run("SET GLOBAL innodb_flush_log_at_trx_commit = 2")
        ok, severity, detail = check()
        assert (ok, severity) == (False, "warning") and "after_failover" in detail
        server.run("SET GLOBAL innodb_flush_log_at_trx_commit = 1")
        assert check()[0]
    finally:
        server.run(f"SET GLOBAL innodb_flush_log_at_trx_commit = {before}")
