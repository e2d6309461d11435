"""What is read of a source beside its stream: it delays the stream by no lock, and shows what was applied."""
import itertools
import os
import signal
import subprocess
import threading
import time

import pytest

from mysql_servers import MariaDbServer, UnavailableServer
from mysql_sessions import Session
from private_cluster import wait_until
from leading_proxy import LeadingProxy
from stalling_proxy import EXECUTE, PREPARE, QUERY, StallingProxy
from observing import caught_up, finished, job_rows, registered, rows, table_row, verify


@pytest.fixture
def db(server):
    server.run("""DROP DATABASE IF EXISTS beside; CREATE DATABASE beside; USE beside;
        CREATE TABLE t (id INT PRIMARY KEY, v INT); INSERT INTO t VALUES (1, 1), (2, 1); CREATE TABLE o (id INT PRIMARY KEY);
        CREATE TABLE nokey (v INT); INSERT INTO nokey VALUES (1)""")
    yield server
    server.run("DROP DATABASE IF EXISTS beside")


@pytest.fixture
def follow(cluster, mysql_source):
    def begin(**arguments):
        mysql_source("beside", "s", mode="continuous", **arguments)
        cluster.wait_for_state("s", "streaming")
        caught_up(cluster)
    return begin


def arrive_without_delay(cluster, db, numbers):
    """Rows of another table, one after the other: none takes as long as a lock is waited for. Returns the states seen."""
    states = set()
    for number in numbers:
        db.run(f"INSERT INTO o VALUES ({number})", "beside")
        began = time.monotonic()
        wait_until(lambda: str(number) in rows(cluster, "o"), 45, "the row to arrive")
        states.add(cluster.status("s")["state"])
        assert time.monotonic() - began < 8
    return states


def test_a_table_that_others_have_locked_at_the_source_delays_no_other(cluster, db, follow):
    follow()
    with cluster.waiting_at("between_batches"):  # else it may have read the table between the two statements
        session = Session(db, "beside", "ALTER TABLE t ADD COLUMN w INT DEFAULT 5; LOCK TABLES t WRITE, nokey WRITE; SELECT SLEEP(240)")
    try:
        wait_until(lambda: (table_row(cluster, "t")["reason"] or "").startswith("others have locked it"), 45, "the lock to be met")
        cluster.query("SELECT replicator_sync('s')")  # has the table without a key read
        wait_until(lambda: (table_row(cluster, "nokey")["reason"] or "").startswith("others have locked it"), 45, "the lock to be met")
        assert arrive_without_delay(cluster, db, range(1, 9)) & {"backing_off", "failed", "catching_up"} == set()
    finally:
        session.end()
    caught_up(cluster)
    assert rows(cluster, "t") == {"1": '{"v": 1, "w": 5, "id": 1}', "2": '{"v": 1, "w": 5, "id": 2}'}
    assert not table_row(cluster, "t")["reason"] and not table_row(cluster, "nokey")["reason"]


def test_a_table_that_is_being_recreated_under_its_name_is_met_when_it_is_there(cluster, db, follow):
    """Until then MariaDB says of it that it has no columns, and warns."""
    follow()
    session = Session(db, "beside", "DROP TABLE t; CREATE TABLE t (id INT PRIMARY KEY) AS SELECT 7 AS id, 1 AS v, SLEEP(240) AS w")
    try:
        wait_until(lambda: table_row(cluster, "t")["state"] in ("excluded", "pending"), 45, "the DROP to be met")
        assert arrive_without_delay(cluster, db, range(1, 5)) & {"backing_off", "failed", "catching_up"} == set()
        assert table_row(cluster, "t")["state"] in ("excluded", "pending")
    finally:
        session.end()
    db.run("DROP TABLE IF EXISTS t; CREATE TABLE t (id INT PRIMARY KEY, v INT); INSERT INTO t VALUES (8, 1)", "beside")
    caught_up(cluster)
    assert rows(cluster, "t") == {"8": '{"v": 1, "id": 8}'} and table_row(cluster, "t")["state"] == "streaming"


@pytest.mark.parametrize("statement", ["GRANT EXECUTE ON *.* TO 'replicator'@'127.0.0.1', 'replicator'@'localhost'",  # one it lacks
                                       "ALTER TABLE t ADD COLUMN c VARBINARY(3) DEFAULT _binary'\udcff\udcfe\udc80'"],
                         ids=["rights", "not understood"])
def test_a_table_that_is_being_made_keeps_no_statement_on_any_table_from_being_passed(cluster, db, follow, statement):
    """MariaDB does not show what others are making; what the statement may have done is seen when they have ended."""
    follow()
    session = Session(db, "beside", "CREATE TABLE made AS SELECT 7 AS id, SLEEP(240) AS w")
    try:
        db.run("SET sql_log_bin = 0; CREATE TABLE unlogged (id INT PRIMARY KEY); INSERT INTO unlogged VALUES (7)", "beside")
        subprocess.run([*db.client, "--no-defaults", f"--socket={db.socket}", "-uroot", "--default-character-set=sjis", "beside"],
                       input=statement.encode(errors="surrogateescape"), check=True)
        assert arrive_without_delay(cluster, db, range(1, 9)) & {"backing_off", "failed", "catching_up"} == set()
    finally:
        session.end()
    caught_up(cluster)
    assert rows(cluster, "unlogged") == {"7": '{"id": 7}'} and cluster.status("s")["state"] == "streaming"


def test_many_small_tables_are_read_one_after_the_other_without_a_pause(cluster, db, follow):
    """Held before it sees the requests, the stream is met again where it waits for the log: then all of it is done."""
    follow()
    db.run("".join(f"CREATE TABLE small{i} (id INT PRIMARY KEY); INSERT INTO small{i} VALUES (1); CREATE TABLE bag{i} (v INT);"
                   f"INSERT INTO bag{i} VALUES (1);" for i in range(10)), "beside")
    caught_up(cluster)
    cluster.fail_at("between_batches:wait")
    cluster.wait_for_waiting("between_batches")
    cluster.query("UPDATE s.small7 SET data = '{}'; DELETE FROM s.bag7")
    cluster.query("SELECT replicator_resync('s', \"table\") FROM replicator_tables WHERE source = 's' AND \"table\" ~ '^(small|bag)'")
    with cluster.waiting_at("nothing_to_do"):
        assert cluster.query("SELECT count(*) FROM replicator_tables WHERE source = 's' AND state IN ('streaming', 'idle')")[0][0] == 23
        assert rows(cluster, "small7") == {"1": '{"id": 1}'} and list(rows(cluster, "bag7").values()) == ['{"v": 1}']


@pytest.fixture
def stalling(cluster, db, source_s):
    """The source s, followed by way of a proxy that can hold its reads of tables."""
    proxy = StallingProxy(db.port)

    def follow_by_proxy(**arguments):
        registered(cluster, db.url("beside").replace(f":{db.port}/", f":{proxy.port}/"), **arguments)
        caught_up(cluster)
        return proxy
    yield follow_by_proxy
    proxy.close()


def arrive_at_once(cluster, db, numbers):
    """Rows of another table: each while a read is held that is never answered."""
    for number in numbers:
        db.run(f"INSERT INTO o VALUES ({number})", "beside")
        wait_until(lambda: str(number) in rows(cluster, "o"), 45, "the row to arrive")
    assert cluster.status("s")["state"] in ("streaming", "copying")


@pytest.mark.parametrize("command, words", [(QUERY, b"`t` LIMIT 0"), (PREPARE, b"`t` FORCE INDEX"), (EXECUTE, b"`t` FORCE INDEX")],
                         ids=["the lock", "the statement", "its rows"])
def test_rows_that_take_long_to_come_delay_no_other_table(cluster, db, stalling, command, words):
    """What the stream does to the table meanwhile is newer than the rows that come then."""
    if command == QUERY and db.flavour == "MariaDB":
        pytest.skip("it needs no statement of its own to wait for a lock for a moment")
    proxy = stalling()
    cluster.query("UPDATE s.t SET data = '{}'; INSERT INTO s.t VALUES ('77', '{}', now())")
    proxy.hold(words, command)
    cluster.query("SELECT replicator_resync('s', 't')")
    wait_until(lambda: proxy.held == 1, 45, "the read to be held")
    arrive_at_once(cluster, db, range(1, 4))
    db.run("UPDATE t SET v = 2 WHERE id = 1; DELETE FROM t WHERE id = 2; INSERT INTO t VALUES (3, 3)", "beside")
    arrive_at_once(cluster, db, range(4, 6))
    wait_until(lambda: rows(cluster, "t") == {"1": '{"v": 2, "id": 1}', "3": '{"v": 3, "id": 3}', "77": "{}"}, 45, "the changes to arrive")
    assert proxy.held == 1
    proxy.let_go()
    caught_up(cluster)
    assert rows(cluster, "t") == {"1": '{"v": 2, "id": 1}', "3": '{"v": 3, "id": 3}'}
    assert table_row(cluster, "t")["state"] == "streaming"


def test_rows_of_a_table_without_a_key_that_take_long_to_come_delay_no_other(cluster, db, stalling):
    proxy = stalling()
    proxy.hold(b"`nokey`")
    db.run("INSERT INTO nokey VALUES (2)", "beside")
    cluster.query("SELECT replicator_sync('s')")
    wait_until(lambda: proxy.held == 1, 45, "the read to be held")
    arrive_at_once(cluster, db, range(1, 6))
    assert len(rows(cluster, "nokey")) == 1 and proxy.held == 1
    proxy.let_go()
    caught_up(cluster)
    assert sorted(rows(cluster, "nokey").values()) == ['{"v": 1}', '{"v": 2}']


def test_a_host_that_does_not_answer_delays_no_table_while_another_is_read(cluster, db, source_s):
    proxy = LeadingProxy(db.port)
    try:
        registered(cluster, db.url("beside").replace(f":{db.port}/", f":{proxy.port}/"), options='{"connect_timeout": "1h"}')
        caught_up(cluster)
        proxy.fall_silent()
        cluster.query("SELECT replicator_resync('s', 't')")
        wait_until(lambda: table_row(cluster, "t")["state"] == "copying", 45, "the table to be read")
        arrive_at_once(cluster, db, range(1, 6))
        assert table_row(cluster, "t")["state"] == "copying"
        proxy.answer()
        caught_up(cluster)
        assert table_row(cluster, "t")["state"] == "streaming"
    finally:
        proxy.close()


@pytest.fixture
def given_up(cluster, db, stalling):
    """A source with a read that is held, and waited for, because too much had changed while the one before it was held."""
    proxy = stalling(options='{"apply_batch_bytes": "64kB"}')
    db.run("INSERT INTO t WITH RECURSIVE n (i) AS (SELECT 3 UNION ALL SELECT i + 1 FROM n WHERE i < 900) SELECT i, 1 FROM n", "beside")
    db.run("".join(f"INSERT INTO t SELECT id + {1000 * k}, 1 FROM t WHERE id BETWEEN 3 AND 900;" for k in range(1, 10)), "beside")
    caught_up(cluster)
    proxy.hold(b"`t` FORCE INDEX")
    cluster.query("SELECT replicator_resync('s', 't')")
    wait_until(lambda: proxy.held == 1, 45, "the read to be held")
    db.run("UPDATE t SET v = 2", "beside")
    wait_until(lambda: proxy.held == 2, 45, "another read to be held")
    return proxy


def steps_of_the_stream(cluster, times):
    """Between two looks of the stream a step of it has passed."""
    for _ in range(times):
        with cluster.waiting_at("between_batches"):
            pass
        wait_until(lambda: not os.path.exists(cluster.failure_file() + ".between_batches"), 45, "the step to go on")


def test_a_read_is_given_up_where_too_much_changes_meanwhile_and_the_next_is_waited_for(cluster, db, given_up):
    """What is kept of the changes is eight times a batch at most."""
    db.run("UPDATE t SET v = 3 WHERE id < 50; DELETE FROM t WHERE id > 9000; INSERT INTO o VALUES (1)", "beside")
    steps_of_the_stream(cluster, 4)
    assert rows(cluster, "o") == {} and given_up.held == 2, "the log is not read meanwhile"
    given_up.let_go()
    caught_up(cluster)
    assert rows(cluster, "t") == {str(id): f'{{"v": {v}, "id": {id}}}' for id, v in db.query("SELECT id, v FROM t", "beside")}


@pytest.mark.parametrize("call", ["replicator_pause_table('s', 't')", "replicator_alter('s', options => '{\"apply_batch_rows\": 500}')"],
                         ids=["pause of the table", "alter"])
def test_a_read_that_is_waited_for_keeps_no_call_waiting(cluster, db, given_up, call):
    db.run("INSERT INTO o VALUES (1)", "beside")
    cluster.query(f"SELECT {call}")
    wait_until(lambda: "1" in rows(cluster, "o"), 45, "the stream to go on")
    given_up.let_go()
    cluster.query("SELECT replicator_resume_table('s', 't')")
    caught_up(cluster)
    assert rows(cluster, "t") == {str(id): f'{{"v": {v}, "id": {id}}}' for id, v in db.query("SELECT id, v FROM t", "beside")}


def test_a_session_that_owns_the_name_of_a_transaction_and_does_not_commit_holds_up_nothing(cluster, db, follow):
    """What it may commit is not in the log, so nobody sees it: on a server that is quiet nothing else says so."""
    if db.flavour == "MariaDB":
        pytest.skip("its sessions own no names")
    follow()
    session = Session(db, "beside", "SET gtid_next = '11111111-2222-3333-4444-555555555555:1'; SELECT SLEEP(240)")
    try:
        assert db.value("SELECT @@global.gtid_owned") != ""
        cluster.query("UPDATE s.t SET data = '{}' WHERE id = '2'")
        assert verify(cluster, "s", ["t"])["t"]["changed"] == 1
        cluster.query("SELECT replicator_resync('s', 't')")
        caught_up(cluster)
        assert rows(cluster, "t")["2"] == '{"v": 1, "id": 2}'
        assert db.value("SELECT @@global.gtid_owned") != ""
    finally:
        session.end()


def test_while_nothing_is_awaited_no_connection_is_made_for_the_name_that_a_session_owns(cluster, db, follow):
    if db.flavour == "MariaDB":
        pytest.skip("its sessions own no names")
    follow()
    session = Session(db, "beside", "SET gtid_next = '11111111-2222-3333-4444-555555555555:2'; SELECT SLEEP(240)")

    def asked():
        return int(db.value("SELECT coalesce(sum(count_star), 0) FROM performance_schema.events_statements_summary_by_digest "
                            "WHERE digest_text LIKE '%gtid_owned%'"))

    def connections():
        return db.value("SELECT sum(total_connections) FROM performance_schema.users WHERE user = 'replicator'")
    try:
        before = asked()
        wait_until(lambda: asked() > before, 45, "the source to be asked for its mark")
        made = connections()
        wait_until(lambda: asked() > before + 2, 45, "the source to be asked for its mark again")
        assert connections() == made
    finally:
        session.end()


@pytest.mark.parametrize("completion", ["CHAIN", "RELEASE"])
def test_what_the_server_does_after_a_commit_by_default_makes_no_read_an_old_one(cluster, db, follow, completion):
    """A transaction that begins with the end of another would show the rows of its beginning, in all windows."""
    db.run("CREATE TABLE big (id INT PRIMARY KEY, v INT); INSERT INTO big WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
           "WHERE i < 900) "
           "SELECT i, 1 FROM n", "beside")
    try:
        db.run(f"SET GLOBAL completion_type = '{completion}'")
        follow(options='{"apply_batch_rows": 100}')
        with cluster.waiting_at("window_read", lambda: cluster.query("SELECT replicator_resync('s', 'big')")):
            db.run("UPDATE big SET v = 2 WHERE id > 800", "beside")
        caught_up(cluster)
        assert {id for id, data in rows(cluster, "big").items() if '"v": 2' in data} == {str(id) for id in range(801, 901)}
    finally:
        db.run("SET GLOBAL completion_type = 'NO_CHAIN'")


@pytest.fixture
def limited(server):
    """An account that may have so many connections."""
    server.create_user("limited", "pw")

    def limit(connections):
        server.run(f"ALTER USER 'limited'@'127.0.0.1' WITH MAX_USER_CONNECTIONS {connections}; ALTER USER 'limited'@'localhost' WITH "
                   f"MAX_USER_CONNECTIONS {connections}")
    limit(100)  # from the beginning, else the server does not count them
    yield limit
    server.run("DROP USER 'limited'@'127.0.0.1', 'limited'@'localhost'")


def test_so_many_connections_are_needed(cluster, db, limited):
    """All that the workers of a source may do at a time, each held where it has most of them open."""
    url = db.url("beside", user="limited", password="pw")

    def connections():
        return int(db.value("SELECT count(*) FROM information_schema.processlist WHERE user = 'limited'"))

    def check():
        return cluster.query('SELECT ok, detail, hint FROM replicator_validate(%s) WHERE "check" = \'connections\'', (url,))
    assert check() == [(True, "Up to 9 connections are open at a time; the account may have 100.", None)]
    db.run("INSERT INTO o VALUES (1); INSERT INTO t SELECT a.n * 100 + b.n * 10 + c.n + 3, 1 FROM (" + " CROSS JOIN (".join(
        f"SELECT 0 n {' '.join(f'UNION SELECT {n}' for n in range(1, 10))}) {name}" for name in "abc"), "beside")
    cluster.query("SELECT replicator_init(%s, name => 's', target_schema => 's', options => %s)", (url, '{"apply_batch_rows": 100}'))
    try:
        cluster.wait_for_state("s", "streaming")
        caught_up(cluster)
        cluster.fail_at("between_batches:wait")
        cluster.wait_for_waiting("between_batches")
        cluster.query("SELECT replicator_resync('s', 't'), replicator_resync('s', 'nokey')")
        cluster.fail_at("keyless_rows_staged:wait")
        cluster.wait_for_waiting("keyless_rows_staged")
        assert connections() == 4, "the stream, a table beside it, one without a key, and questions"
        (stream,) = cluster.workers("source worker")
        os.kill(stream, signal.SIGSTOP)
        try:
            limited(4)
            assert cluster.query('SELECT "check" FROM replicator_validate(%s) WHERE NOT ok', (url,)) == [("connection",)]
            limited(8)
            ((ok, detail, hint),) = check()
            assert not ok and detail.endswith("the account may have 8.") and "MAX_USER_CONNECTIONS 9" in hint and "copy_workers" in hint
            limited(9)
            assert check()[0][0]
            with cluster.waiting_at("rows_compared", lambda: cluster.query("SELECT replicator_verify('s', '{o}')")):
                assert 4 < connections() <= 8, "of the comparison, too"
                assert check()[0][0]
        finally:
            os.kill(stream, signal.SIGCONT)
        caught_up(cluster)
        assert len(rows(cluster, "t")) == 1002
    finally:
        cluster.query("SELECT replicator_drop('s', drop_tables => true)")


@pytest.fixture(scope="module")
def late_server():
    """A MariaDB server that has commits in its log, and sends them, before its queries show them: it waits for a replica."""
    try:
        instance = MariaDbServer({"rpl-semi-sync-master-wait-point": "AFTER_SYNC"})
    except UnavailableServer as error:
        pytest.skip(str(error))
    instance.run("SET GLOBAL rpl_semi_sync_master_timeout = 240000; CREATE DATABASE late; USE late; "
                 "CREATE TABLE t (id INT PRIMARY KEY, v INT); INSERT INTO t VALUES (1, 1), (2, 1); CREATE TABLE nokey (v INT); CREATE "
                 "TABLE other (id INT PRIMARY KEY)")
    yield instance
    instance.destroy()


@pytest.fixture
def held_back(cluster, late_server):
    """Runs a statement that is in the log, and not shown until show()."""
    cluster.query("SELECT replicator_init(%s, name => 'late', target_schema => 'late')", (late_server.url("late"),))
    cluster.wait_for_state("late", "streaming")
    caught_up(cluster, "late")
    threads = []

    def run(sql):
        late_server.run("SET GLOBAL rpl_semi_sync_master_enabled = ON")
        client = [*late_server.client, "--no-defaults", f"--socket={late_server.socket}", "-uroot", "--default-character-set=sjis", "late"]
        threads.append(threading.Thread(target=lambda: subprocess.run(client, input=sql, check=True)))
        threads[-1].start()

    def show():
        late_server.run("SET GLOBAL rpl_semi_sync_master_enabled = OFF")
        while threads:
            threads.pop().join()
    yield run, show
    show()
    cluster.query("SELECT replicator_drop('late', drop_tables => true)")


def test_a_repair_does_not_write_what_the_source_shows_no_longer_than_its_log(cluster, late_server, held_back):
    run, show = held_back
    run(b"INSERT INTO t VALUES (3, 1), (1, 1) ON DUPLICATE KEY UPDATE v = 2")
    wait_until(lambda: rows(cluster, "t", "late")["1"] == '{"v": 2, "id": 1}', 45, "the change to arrive")
    assert late_server.query("SELECT v FROM late.t WHERE id = 1") == [["1"]], "it is shown already"
    job = cluster.query("SELECT replicator_repair('late', 't')")[0][0]
    # It meets both rows, and waits for the source.
    wait_until(lambda: cluster.query("SELECT count(*) FROM replicator_progress WHERE phase = 'confirming'")[0][0] == 1, 45,
               "the job to wait")
    assert cluster.query("SELECT state, changed, extra FROM replicator_jobs WHERE job = %s", (job,))[0][0] == "running"
    assert rows(cluster, "t", "late") == {"1": '{"v": 2, "id": 1}', "2": '{"v": 1, "id": 2}', "3": '{"v": 1, "id": 3}'}
    show()
    found = finished(cluster, job)["t"]
    assert (found["changed"], found["missing"], found["extra"], found["repaired"]) == (0, 0, 0, 0)
    assert rows(cluster, "t", "late") == {"1": '{"v": 2, "id": 1}', "2": '{"v": 1, "id": 2}', "3": '{"v": 1, "id": 3}'}


def test_a_table_without_a_key_is_read_when_the_source_shows_what_was_applied(cluster, late_server, held_back):
    run, show = held_back
    run(b"INSERT INTO nokey VALUES (1)")
    wait_until(lambda: late_server.value("SELECT count(*) FROM information_schema.processlist WHERE state LIKE 'Waiting for "
                                         "semi-sync%'") == "1",
               45, "the commit to be held back")
    waiting = threading.Thread(target=lambda: caught_up(cluster, "late"))
    waiting.start()
    wait_until(lambda: cluster.query("SELECT sync_requested > sync_done FROM replicator.source_state st JOIN replicator.source s "
                                     "ON s.id = st.source_id WHERE s.name = 'late'")[0][0], 45, "the request")
    show()
    waiting.join()
    assert [data for data in rows(cluster, "nokey", "late").values()] == ['{"v": 1}']


@pytest.mark.parametrize("statement", [b"GRANT SELECT ON *.* TO 'replicator'@'127.0.0.1'",
                                       b"ALTER TABLE t ADD COLUMN c VARBINARY(3) DEFAULT _binary'\xff\xfe\x80'"],
                         ids=["rights", "not understood"])
def test_a_statement_on_any_table_that_the_source_does_not_show_yet_delays_no_other(cluster, late_server, held_back, statement):
    """What it may have done besides is seen as soon as the source shows it."""
    run, show = held_back
    number = str(len(statement))
    late_server.run(f"SET sql_log_bin = 0; CREATE TABLE unlogged{number} (id INT PRIMARY KEY); INSERT INTO unlogged{number} VALUES (7)",
                    "late")
    run(statement)
    wait_until(lambda: late_server.value("SELECT count(*) FROM information_schema.processlist WHERE state LIKE 'Waiting for "
                                         "semi-sync%'") == "1",
               45, "the commit to be held back")
    wait_until(lambda: cluster.query("SELECT st.discovery_due FROM replicator.source_state st JOIN replicator.source s ON s.id = "
                                     "st.source_id WHERE s.name = 'late'")
               != [(None,)], 45, "the statement to be met")
    if b"GRANT" not in statement:  # that keeps the server from all else
        run(f"INSERT INTO other VALUES ({number})".encode())
        wait_until(lambda: number in rows(cluster, "other", "late"), 45, "the next change to arrive")
    assert cluster.status("late")["state"] in ("streaming", "copying") and table_row(cluster, f"unlogged{number}", "late") is None
    show()
    caught_up(cluster, "late")
    assert rows(cluster, f"unlogged{number}", "late") == {"7": '{"id": 7}'}
    assert all(found["changed"] + found["missing"] + found["extra"] + found["unconfirmed"] == 0 for found in verify(cluster, "late",
                                                                                                                    ["t",
                                                                                                                     "other"]).values())


@pytest.mark.parametrize("is_other", [False, True], ids=["as it was", "another one"])
def test_a_table_that_a_statement_left_as_it_was_is_not_read_again(cluster, late_server, held_back, is_other):
    """The source does not show the statement yet; what the table is shows afterwards."""
    run, show = held_back
    table = f"indexed{int(is_other)}"
    late_server.run(f"CREATE TABLE {table} (id INT PRIMARY KEY, v INT); INSERT INTO {table} VALUES (1, 1)", "late")
    caught_up(cluster, "late")

    def entry(columns):
        return cluster.query(f"SELECT {columns} FROM replicator.source_table WHERE name = %s", (table,))[0]
    before = entry("copy_started_at")
    if is_other:
        late_server.run(f"SET sql_log_bin = 0; ALTER TABLE {table} ADD COLUMN w INT DEFAULT 5", "late")
    run(f"CREATE INDEX by_v ON {table} (v)".encode())
    wait_until(lambda: entry("changed") == (True,), 45, "the statement to be met")
    assert entry("state, copy_started_at") == ("streaming", *before)
    show()
    caught_up(cluster, "late")
    assert entry("state, changed, reason") == ("streaming", False, None)
    assert rows(cluster, table, "late") == {"1": '{"v": 1, "w": 5, "id": 1}' if is_other else '{"v": 1, "id": 1}'}
    assert (entry("copy_started_at") == before) != is_other


def test_what_a_source_without_tables_has_yet_to_look_for_is_looked_for_after_a_restart(cluster, late_server, held_back):
    run, show = held_back
    late_server.run("CREATE DATABASE void")
    cluster.query("SELECT replicator_init(%s, name => 'void', target_schema => 'void')", (late_server.url("void"),))
    cluster.wait_for_state("void", "streaming")
    late_server.run("SET sql_log_bin = 0; CREATE TABLE unlogged (id INT PRIMARY KEY); INSERT INTO unlogged VALUES (7)", "void")
    run(b"GRANT SELECT ON *.* TO 'replicator'@'127.0.0.1'")
    wait_until(lambda: cluster.query("SELECT st.discovery_due FROM replicator.source_state st JOIN replicator.source s ON s.id = "
                                     "st.source_id WHERE s.name = 'void'") != [(None,)], 45, "the statement to be met")
    before = cluster.status("void")["worker_pid"]
    cluster.query("SELECT pg_terminate_backend(%s)", (before,))
    wait_until(lambda: cluster.status("void")["worker_pid"] not in (None, before), 45, "another worker")
    cluster.wait_for_state("void", "streaming")
    show()
    wait_until(lambda: table_row(cluster, "unlogged", "void") is not None, 45, "the table to be found")
    caught_up(cluster, "void")
    assert rows(cluster, "unlogged", "void") == {"7": '{"id": 7}'}
    cluster.query("SELECT replicator_drop('void', drop_tables => true)")


def test_a_table_that_was_left_out_in_the_middle_of_its_copy_is_read_from_the_first_row(cluster, db, follow):
    """What has changed meanwhile, before the place that the copy had come to, came by no log."""
    db.run("CREATE TABLE big (id INT PRIMARY KEY); INSERT INTO big WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i "
           "< 900) "
           "SELECT i FROM n", "beside")
    follow(options='{"apply_batch_rows": 100}')
    with cluster.waiting_at("window_read", lambda: cluster.query("SELECT replicator_resync('s', 'big')")):
        cluster.fail_at("after_stream_commit:wait")
        cluster.wait_for_waiting("after_stream_commit")
        assert cluster.query("SELECT copy_bound <> '' FROM replicator.source_table WHERE name = 'big'") == [(True,)]
        cluster.query("SELECT replicator_alter('s', exclude_tables => '{big}')")
    caught_up(cluster)  # the stream has seen it
    db.run("DELETE FROM big WHERE id = 1; INSERT INTO o VALUES (100)", "beside")
    wait_until(lambda: "100" in rows(cluster, "o"), 45, "the stream to pass the deletion")
    assert "1" in rows(cluster, "big")
    cluster.query("SELECT replicator_add_table('s', 'big')")
    caught_up(cluster)
    assert set(rows(cluster, "big")) == {str(number) for number in range(2, 901)}


def test_a_comparison_ends_while_no_moment_of_the_source_is_quiet(cluster, db, follow):
    """A GTID that a session owns is as good as steady commits: no state of the server that is read has a name that the target
    could ever hold."""
    if db.flavour == "MariaDB":
        pytest.skip("MariaDB names each state")
    follow()
    session = Session(db, "beside", "SET gtid_next = '11111111-1111-1111-1111-111111111111:1'; BEGIN; INSERT INTO o VALUES (1000); "
                                    "DO SLEEP(240); ROLLBACK")
    numbers = itertools.count()
    try:
        cluster.query("UPDATE s.t SET data = '{}' WHERE id = '1'; INSERT INTO s.t SELECT '77', data, _synced_at FROM s.t WHERE id = '2'")
        job = cluster.query("SELECT replicator_verify('s', '{t}')")[0][0]

        def has_ended():
            db.run(f"INSERT INTO o VALUES ({next(numbers)})", "beside")
            return job_rows(cluster, job)[0][1] not in ("pending", "running")
        wait_until(has_ended, 240, lambda: f"the job to end: {job_rows(cluster, job)}")
    finally:
        session.end()
    found = finished(cluster, job)["t"]
    assert (found["state"], found["changed"], found["extra"], found["unconfirmed"]) == ("done", 1, 1, 0), found


def test_a_table_that_leaves_its_first_copy_is_copied_beside_the_stream(cluster, server, mysql_source, assert_converged):
    """By a request, or by a statement at the source; its target has no primary key yet."""
    server.run("""DROP DATABASE IF EXISTS early; CREATE DATABASE early; USE early; CREATE TABLE small (id INT PRIMARY KEY, v TEXT);
        INSERT INTO small VALUES (1, 'x'), (2, 'y'); CREATE TABLE altered LIKE small; INSERT INTO altered SELECT * FROM small;
        CREATE TABLE big (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(60)); INSERT INTO big (v) VALUES (REPEAT('x', 60)), ('é')""")
    for _ in range(17):
        server.run("INSERT INTO big (v) SELECT v FROM big", "early")

    def states():
        return dict(cluster.query("SELECT \"table\", state FROM replicator_tables WHERE source = 'early'"))
    with cluster.waiting_at("chunk_committed", lambda: mysql_source("early", "early", mode="continuous",
                                                                    options='{"copy_workers_per_source": 0}')):
        cluster.query("SELECT replicator_pause('early')")
    assert states()["small"] == "copying"
    cluster.query("SELECT replicator_resync('early', 'small')")
    server.run("ALTER TABLE altered ADD COLUMN w INT DEFAULT 5; UPDATE altered SET v = 'z' WHERE id = 1; DELETE FROM small WHERE id = 1; "
               "INSERT INTO small VALUES (3, 'new')", "early")
    cluster.query("SELECT replicator_resume('early')")
    assert_converged("early", {"early": "early"})
    assert states() == {"small": "streaming", "altered": "streaming", "big": "streaming"}
    server.run("DROP DATABASE early")
