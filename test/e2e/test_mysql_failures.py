"""What can go wrong with a MySQL or MariaDB server that is followed: each has its state, its message and its way out."""
import collections
import contextlib
import os
import signal
import subprocess
import time

import psycopg2
import pytest

from private_cluster import wait_until
from observing import caught_up, copied_again, equal, failed_alone, failure, finished, forget_history, rows, table_row


def test_a_server_with_another_history_is_refused(cluster, db, follow, request):
    follow()
    cluster.query("SELECT replicator_pause('s')")
    wait_until(lambda: not cluster.workers("source worker"), 45, "the worker to end")
    forget_history(db)
    db.run("DELETE FROM customer WHERE id = 1", "shop")
    cluster.query("SELECT replicator_resume('s')")
    failure(cluster, "another history", "replicator_resync")
    assert set(rows(cluster, "customer")) == {"1", "2", "3"}
    copied_again(cluster)
    assert set(rows(cluster, "customer")) == {"2", "3"} and equal(cluster)


def test_a_log_that_is_reset_under_the_stream_is_noticed(cluster, db, follow):
    follow()
    forget_history(db)
    db.run("DELETE FROM customer WHERE id = 1", "shop")
    failure(cluster, "replicator_resync")
    copied_again(cluster)
    assert set(rows(cluster, "customer")) == {"2", "3"} and equal(cluster)


def test_a_log_that_is_reset_under_the_stream_and_overtakes_it_at_once_is_noticed(cluster, db, follow):
    forget_history(db)
    db.run("DO SLEEP(1.1)")  # files of a log are told apart by the second that they were begun in
    follow()
    forget_history(db)
    db.run("".join(f"INSERT INTO customer VALUES ({key}, 'again', 0, NULL);" for key in range(100, 140)), "shop")
    failure(cluster, "another history", "replicator_resync")
    copied_again(cluster)
    assert "139" in rows(cluster, "customer") and equal(cluster)


def give_up_log(db):
    if db.flavour == "MySQL":
        db.run("SET GLOBAL binlog_error_action = IGNORE_ERROR")
    mode = os.stat(db.data).st_mode
    os.chmod(db.data, 0o555)
    try:
        assert db._client("FLUSH BINARY LOGS", check=False).returncode != 0
    finally:
        os.chmod(db.data, mode)


def test_a_log_that_the_server_gives_up_is_noticed(cluster, db, follow, server):
    """It cannot begin the next file, and goes on without until it is restarted; its settings say that it has a log."""
    follow()
    caught_up(cluster)
    give_up_log(db)
    db.run("DELETE FROM customer WHERE id = 1", "shop")
    assert db.value("SELECT @@global.log_bin") == "1"
    with pytest.raises(psycopg2.Error):
        caught_up(cluster)
    failure(cluster, "binary log", "restart the server", "replicator_resume")
    cluster.query("SELECT replicator_resume('s')")
    with pytest.raises(psycopg2.Error):
        caught_up(cluster)  # what the server says that it has logged was read long ago
    failure(cluster, "binary log", "restart the server", "replicator_resume")
    db.restart()
    cluster.query("SELECT replicator_resume('s')")
    caught_up(cluster)
    assert set(rows(cluster, "customer")) == {"2", "3"} and equal(cluster)


def test_rows_are_compared_while_the_log_is_empty(cluster, db, follow):
    """As after it was switched on, and as long as nothing has been written since."""
    forget_history(db)
    follow()
    caught_up(cluster)
    assert equal(cluster)
    cluster.query("UPDATE s.customer SET data = '{}' WHERE id = '1'")
    found = finished(cluster, cluster.query("SELECT replicator_verify('s', '{customer}')")[0][0])["customer"]
    assert (found["state"], found["changed"], found["unconfirmed"]) == ("done", 1, 0), found
    db.restart()
    found = finished(cluster, cluster.query("SELECT replicator_repair('s', 'customer')")[0][0])["customer"]
    assert (found["state"], found["changed"], found["repaired"], found["unconfirmed"]) == ("done", 1, 1, 0), found
    db.run("INSERT INTO customer VALUES (7, 'first', 0, NULL)", "shop")
    caught_up(cluster)
    assert "first" in rows(cluster, "customer")["7"] and equal(cluster)


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
def test_a_setting_that_is_changed_concerns_the_tables_that_are_written_with_it(cluster, db, follow, server, setting, value):
    """The table is read again, once; when that does not help it fails alone, and says which setting it is."""
    if setting == "binlog_row_value_options" and server.flavour == "MariaDB":
        pytest.skip("MariaDB has no partial JSON")
    db.run("""INSERT INTO customer VALUES (4, 'long', 0, JSON_OBJECT('a', REPEAT('x', 1000), 'b', 1))""", "shop")
    follow()
    began = cluster.query("SELECT clock_timestamp()")[0]
    before = db.value(f"SELECT @@GLOBAL.{setting}")
    db.run(f"SET GLOBAL {setting} = '{value}'")
    try:
        db.run("UPDATE customer SET notes = JSON_SET(notes, '$.b', 2) WHERE id = 4", "shop")
        caught_up(cluster)
        assert '"b": 2' in rows(cluster, "customer")["4"] and table_row(cluster, "customer")["state"] == "streaming"
        events = cluster.query("SELECT arguments::text FROM replicator_events WHERE action = 'table read again' AND at > %s", began)
        assert len(events) == 1 and setting in events[0][0] and "shop.customer" in events[0][0], events
        db.run("UPDATE customer SET notes = JSON_SET(notes, '$.b', 3) WHERE id = 4", "shop")
        failed_alone(cluster, "customer", setting, "position ", "replicator_resync(name, table)")
        assert '"b": 2' in rows(cluster, "customer")["4"]
    finally:
        db.run(f"SET GLOBAL {setting} = '{before}'")
    db.run("UPDATE line SET v = 7 WHERE a = 2", "shop")
    wait_until(lambda: '"v": 7' in rows(cluster, "line")['[2,""]'], 240, "the others to go on")
    cluster.query("SELECT replicator_resync('s', 'customer')")
    caught_up(cluster)
    assert '"b": 3' in rows(cluster, "customer")["4"] and equal(cluster)


def test_a_statement_in_the_log_has_all_tables_read_again(cluster, db, follow):
    """Whatever it names: what its triggers, functions and views reach is not in the log. Also when it happens again."""
    db.run("CREATE TABLE nokey (v INT); INSERT INTO nokey VALUES (1); CREATE TABLE aside (id INT PRIMARY KEY); CREATE TRIGGER t AFTER "
           "INSERT ON aside FOR "
           "EACH ROW UPDATE line SET v = NEW.id; CREATE VIEW seen AS SELECT * FROM customer; CREATE TABLE parent (id INT PRIMARY KEY); "
           "CREATE TABLE child "
           "(id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES parent (id) ON DELETE CASCADE); INSERT INTO parent VALUES (1); INSERT "
           "INTO child VALUES (1, 1)", "shop")
    follow(exclude_tables=["aside"])
    statements = ["UPDATE customer SET name = 'as a statement'", "UPDATE customer SET name = 'once more'", "INSERT INTO aside VALUES (77)",
                  "UPDATE seen SET name = 'through a view'", "DELETE FROM parent",
                  "UPDATE customer c JOIN line l SET c.name = 'joined', l.v = 9",
                  "UPDATE nokey n, line l SET n.v = 5", "DELETE FROM seen WHERE id = 1; DELETE FROM line",
                  "SET SESSION binlog_format = 'MIXED'; BEGIN; DELETE FROM "
                  "customer; INSERT INTO customer VALUES (5, LEFT(UUID(), 0), 0, NULL); COMMIT"]
    for statement in statements:
        db.run(f"SET SESSION binlog_format = 'STATEMENT'; {statement}", "shop")
        caught_up(cluster)
        found = finished(cluster, cluster.query("SELECT replicator_verify('s', '{customer,line,parent,child}')")[0][0])
        assert {(table["state"], table["changed"] + table["missing"] + table["extra"] + table["unconfirmed"]) for table
                in found.values()} == {("done", 0)}, statement
    assert set(rows(cluster, "customer")) == {"5"} and rows(cluster, "line") == rows(cluster, "child") == {}
    assert list(rows(cluster, "nokey").values()) == ['{"v": 5}']
    events = cluster.query("SELECT arguments->>'statement', arguments->>'note' FROM replicator_events WHERE source = 's' AND action LIKE "
                           "'changes not read%' "
                           "AND at > (SELECT max(at) FROM replicator_events WHERE action = 'replicator_init') ORDER BY at")
    assert events[0][0] == "UPDATE customer SET name = '***'" and all("binlog_format = ROW" in note for _, note in events), events


def test_changes_that_the_server_says_are_missing_in_its_log_have_all_tables_read_again(cluster, db, follow):
    """MariaDB says so between transactions, and again to each reader that looks for its place in that file."""
    db.run("CREATE TABLE unlogged (id INT PRIMARY KEY AUTO_INCREMENT, b TEXT) ENGINE=MyISAM; CREATE TABLE texts (id INT PRIMARY KEY "
           "AUTO_INCREMENT, b TEXT); "
           "INSERT INTO texts (b) VALUES (REPEAT('x', 3000)), (REPEAT('y', 3000)), (REPEAT('z', 3000))", "shop")
    follow()
    before = db.query("SELECT @@GLOBAL.max_binlog_stmt_cache_size, @@GLOBAL.binlog_stmt_cache_size")[0]
    db.run("SET GLOBAL binlog_stmt_cache_size = 4096; SET GLOBAL max_binlog_stmt_cache_size = 4096")
    try:
        db._client("INSERT INTO unlogged (b) SELECT b FROM texts", "shop", check=False)
    finally:
        db.run(f"SET GLOBAL max_binlog_stmt_cache_size = {before[0]}; SET GLOBAL binlog_stmt_cache_size = {before[1]}")
    stored = db.value("SELECT COUNT(*) FROM unlogged", "shop")
    assert stored != "0"
    db.run("INSERT INTO line VALUES (8, 'new', 8)", "shop")

    def told():
        return cluster.query("SELECT arguments->>'note' FROM replicator_events WHERE source = 's' AND action LIKE 'changes not read%' "
                             "AND at > (SELECT max(at) FROM replicator_events WHERE action = 'replicator_init')")
    wait_until(lambda: told() != [], 45, "the server's word to be met")
    caught_up(cluster)
    assert cluster.status("s")["state"] == "streaming" and len(rows(cluster, "unlogged")) == int(stored) and equal(cluster)
    assert "missing from its binary log" in told()[0][0]
    cluster.query("SELECT replicator_pause('s')")
    cluster.query("SELECT replicator_resume('s')")
    db.run("INSERT INTO line VALUES (9, 'new', 9)", "shop")
    caught_up(cluster)
    assert '[9,"new"]' in rows(cluster, "line") and len(told()) == 1


def test_events_that_are_older_than_what_is_known_of_their_table_are_passed(cluster, db, follow, server):
    """All in one go, as after a pause: what is looked up at the first statement is what the last one has made."""
    new_type = "UUID" if server.flavour == "MariaDB" and server.version() >= (10, 7) else "VARCHAR(36)"
    uuid = "123e4567-e89b-12d3-a456-42661417400"
    db.run(f"CREATE TABLE moved (id INT PRIMARY KEY, u CHAR(36)); INSERT INTO moved VALUES (1, '{uuid}1')", "shop")
    follow()
    db.run(f"ALTER TABLE moved ADD COLUMN y INT; INSERT INTO moved VALUES (2, '{uuid}2', 2); ALTER TABLE moved MODIFY u {new_type}; "
           f"INSERT INTO moved VALUES (3, '{uuid}3', 3); UPDATE line SET v = 8; ALTER TABLE moved CHANGE id number INT; "
           f"INSERT INTO moved VALUES (4, '{uuid}4', 4)", "shop")
    caught_up(cluster)
    assert set(rows(cluster, "moved")) == {"1", "2", "3", "4"} and table_row(cluster, "moved")["state"] == "streaming" and equal(cluster)
    if new_type == "UUID":
        db.run("CREATE OR REPLACE TABLE moved (id INT PRIMARY KEY) SELECT 1 AS id, 'a text of more than sixteen bytes' AS u", "shop")
        caught_up(cluster)
        assert "sixteen" in rows(cluster, "moved")["1"] and equal(cluster)


def test_distributed_transactions_are_followed(cluster, db, follow):
    """One that this stream has read is applied when it is committed; of another its tables are read again."""
    follow()

    def reads():
        return cluster.query("SELECT arguments->>'table' FROM replicator_events WHERE action IN ('table altered', 'table copied') AND at > "
                             "(SELECT max(at) FROM replicator_events WHERE action = 'replicator_init') ORDER BY 1")

    def prepare(xid, sql):
        db.run(f"XA START '{xid}'; {sql}; XA END '{xid}'; XA PREPARE '{xid}'", "shop")
    began = reads()
    prepare("x", "UPDATE customer SET name = 'by XA' WHERE id = 1")
    db.run("UPDATE line SET v = 70 WHERE a = 2", "shop")
    caught_up(cluster)
    assert "by XA" not in rows(cluster, "customer")["1"] and '"v": 70' in rows(cluster, "line")['[2,""]']
    db.run("XA COMMIT 'x'", "shop")
    db.run("XA START 'y'; UPDATE customer SET name = 'in one phase' WHERE id = 2; XA END 'y'; XA COMMIT 'y' ONE PHASE", "shop")
    caught_up(cluster)
    assert "by XA" in rows(cluster, "customer")["1"] and "in one phase" in rows(cluster, "customer")["2"] and reads() == began
    prepare("z", "DELETE FROM customer WHERE id = 3")
    caught_up(cluster)
    cluster.kill(cluster.workers("source worker")[0])
    cluster.wait_for_state("s", "streaming")
    db.run("XA COMMIT 'z'", "shop")
    caught_up(cluster)
    read_again = collections.Counter(reads()) - collections.Counter(began)
    assert set(rows(cluster, "customer")) == {"1", "2"} and set(read_again) == {("shop.customer",)} and equal(cluster)


def test_a_whole_source_is_copied_again_while_it_streams(cluster, db, follow):
    follow()
    untouched = cluster.query("SELECT xmin FROM s.customer WHERE id = '3'")
    cluster.query("DELETE FROM s.customer WHERE id = '1'; UPDATE s.customer SET data = '{}' WHERE id = '2'; DROP TABLE s.line")
    db.run("INSERT INTO line VALUES (7, 'x', 7)", "shop")
    wait_until(lambda: table_row(cluster, "line")["state"] == "failed", 45, "the table to fail")
    db.run("INSERT INTO customer VALUES (9, 'late', 0, NULL)", "shop")
    copied_again(cluster)
    assert equal(cluster) and table_row(cluster, "line")["state"] == "streaming"
    assert cluster.query("SELECT xmin FROM s.customer WHERE id = '3'") == untouched


def test_another_reader_with_our_server_id_is_named(cluster, db, follow):
    follow(options='{"server_id": 4711}')
    try:
        cluster.query("SELECT replicator_init(%s, name => 'twin', target_schema => 'twin', options => %s)",
                      (db.url("shop"), '{"server_id": 4711}'))
        wait_until(lambda: "server_id" in " ".join(filter(None, cluster.query(
            "SELECT max(last_error), max(detail), max(hint) FROM replicator_status WHERE last_error IS NOT NULL")[0])), 240,
                   "one to say so")
        wait_until(lambda: any(cluster.status(name)["state"] == "failed" for name in ("s", "twin")), what="one to give up")
    finally:
        cluster.query("SELECT replicator_drop('twin', drop_tables => true)")
    cluster.query("SELECT replicator_resume('s')")
    db.run("INSERT INTO customer VALUES (5, 'after', 0, NULL)", "shop")
    caught_up(cluster)
    cluster.wait_for_state("s", "streaming")
    assert equal(cluster)


def test_rows_of_an_engine_that_keeps_none_do_not_come(cluster, db, follow):
    """The log has them, and the table is read when it is another one again."""
    db._client("INSTALL SONAME 'ha_blackhole'", check=False)  # MySQL has it built in
    if "BLACKHOLE" not in {row[0] for row in db.query("SELECT engine FROM information_schema.engines")}:
        pytest.skip("there is no BLACKHOLE")
    follow()
    cluster.query("SELECT replicator_pause('s')")
    wait_until(lambda: not cluster.workers("source worker"), 45, "the worker to end")
    db.run("ALTER TABLE line ENGINE=BLACKHOLE; INSERT INTO line VALUES (7, 'lost', 7); ALTER TABLE line ENGINE=InnoDB; "
           "INSERT INTO line VALUES (8, 'kept', 8)", "shop")
    cluster.query("SELECT replicator_resume('s')")
    caught_up(cluster)
    assert set(rows(cluster, "line")) == {'[8,"kept"]'} and equal(cluster)


def test_a_structure_that_changes_without_a_word_in_the_log_is_seen_with_the_next_row(cluster, db, follow):
    """Of the rows that were not touched, too."""
    follow()

    def unlogged(sql, then):
        db.run(f"SET sql_log_bin = 0; {sql}; SET sql_log_bin = 1; {then}", "shop")
        caught_up(cluster)
        assert table_row(cluster, "customer")["state"] == "streaming" and equal(cluster)
    unlogged("ALTER TABLE customer ADD COLUMN more INT DEFAULT 7", "INSERT INTO customer VALUES (4, 'a', 1, NULL, 8)")
    assert all('"more": ' in row for row in rows(cluster, "customer").values()), rows(cluster, "customer")
    unlogged("ALTER TABLE customer MODIFY more VARCHAR(10)", "UPDATE customer SET more = 'x' WHERE id = 4")
    assert '"more": "7"' in rows(cluster, "customer")["1"]
    unlogged("ALTER TABLE customer DROP COLUMN more", "UPDATE customer SET name = 'x' WHERE id = 4")
    assert not any("more" in row for row in rows(cluster, "customer").values())
    unlogged("ALTER TABLE customer RENAME COLUMN name TO called", "UPDATE customer SET called = 'y' WHERE id = 4")
    assert all('"called": ' in row for row in rows(cluster, "customer").values())


def test_tables_whose_changes_the_log_does_not_tell_are_left_out(cluster, db, follow, mysql_source, server):
    is_mariadb = server.flavour == "MariaDB"
    db._client("INSTALL SONAME 'ha_blackhole'", check=False)  # MySQL has it built in
    hole = "BLACKHOLE" if "BLACKHOLE" in {row[0] for row in db.query("SELECT engine FROM information_schema.engines")} else None
    print(f"{server.flavour} has the engine {hole}")
    db.run("""CREATE TABLE part1 (id INT PRIMARY KEY, v INT) ENGINE=MyISAM; CREATE TABLE part2 LIKE part1; CREATE TABLE plain LIKE part1;
        CREATE TABLE merged (id INT PRIMARY KEY, v INT) ENGINE=MERGE UNION=(part1, part2) INSERT_METHOD=LAST;
        INSERT INTO merged VALUES (1, 1)""", "shop")
    if hole:
        db.run("CREATE TABLE hole (id INT PRIMARY KEY) ENGINE=BLACKHOLE", "shop")
    if is_mariadb:
        db.run("""CREATE SEQUENCE numbers; CREATE TABLE precise (id INT PRIMARY KEY, v INT, s BIGINT UNSIGNED GENERATED ALWAYS AS ROW START,
            e BIGINT UNSIGNED GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (s, e)) WITH SYSTEM VERSIONING ENGINE=InnoDB""", "shop")
    follow()
    reasons = dict(cluster.query("""SELECT "table", reason FROM replicator_tables WHERE source = 's' AND state = 'unsupported'"""))
    wanted = {"part1": "MERGE", "part2": "MERGE", "merged": "MERGE"} | ({"hole": hole} if hole else {})
    wanted |= {"numbers": "no table", "precise": "mode once or periodic"} if is_mariadb else {}
    assert set(reasons) == set(wanted), reasons
    assert all(word in reasons[table] for table, word in wanted.items()), reasons
    db.run("INSERT INTO merged VALUES (2, 2); INSERT INTO plain VALUES (1, 1); DELETE FROM customer WHERE id = 1", "shop")
    if hole:
        db.run("INSERT INTO hole VALUES (1)", "shop")
    if is_mariadb:
        db.run("INSERT INTO precise (id, v) VALUES (1, 1)", "shop")
    caught_up(cluster)
    assert set(rows(cluster, "plain")) == {"1"} and set(rows(cluster, "customer")) == {"2", "3"} and equal(cluster)
    db.run("CREATE TABLE later (id INT PRIMARY KEY, v INT) ENGINE=MERGE UNION=(plain) INSERT_METHOD=LAST; INSERT INTO later VALUES (5, 5)",
           "shop")
    caught_up(cluster)
    assert [table_row(cluster, table)["state"] for table in ("plain", "later")] == ["unsupported"] * 2

    def back(*tables):
        wait_until(lambda: {table_row(cluster, table)["state"] for table in tables} == {"streaming"}, 240,
                   lambda: f"{tables} to come back: {[table_row(cluster, table)['reason'] for table in tables]}")
        assert equal(cluster)
    db.run("DROP TABLE later", "shop")
    back("plain")
    db.run("DROP DATABASE IF EXISTS away; CREATE DATABASE away; CREATE TABLE away.later (id INT PRIMARY KEY, v INT) ENGINE=MERGE "
           "UNION=(shop.plain) INSERT_METHOD=LAST; INSERT INTO away.later VALUES (6, 6)", "shop")
    caught_up(cluster)
    row = table_row(cluster, "plain")
    assert row["state"] == "unsupported" and "`away`.`later`" in row["reason"], row
    db.run("DROP DATABASE away")
    cluster.query("SELECT replicator_add_table('s', 'plain')")
    back("plain")
    mysql_source("shop", "o", mode="once", include_tables=["merged", "part2"] + (["precise"] if is_mariadb else []))
    cluster.wait_for_state("o", "idle")
    assert set(rows(cluster, "merged", "o")) == {"1", "2"} and len(rows(cluster, "part2", "o")) == 2
    assert not is_mariadb or len(rows(cluster, "precise", "o")) == 1


def test_a_table_that_is_damaged_at_the_source_fails_alone(cluster, db, server, mysql_source):
    engine, ending = ("Aria", "MAD") if server.flavour == "MariaDB" else ("MyISAM", "MYD")
    db.run(f"CREATE TABLE broken (id INT PRIMARY KEY AUTO_INCREMENT, v CHAR(200) NOT NULL DEFAULT 'x') ENGINE = {engine}", "shop")
    db.run("INSERT INTO broken (v) SELECT 'y' FROM information_schema.columns LIMIT 2000; FLUSH TABLES", "shop")
    db.stop()
    path = os.path.join(server.data, "shop", f"broken.{ending}")
    os.truncate(path, os.path.getsize(path) // 2 // 8192 * 8192 + 100)
    db.start()
    mysql_source("shop", "s", mode="continuous")
    wait_until(lambda: (table_row(cluster, "broken") or {}).get("state") == "failed", 240,
               lambda: f"the table to fail: {cluster.status('s')['last_error']} {table_row(cluster, 'broken')}")
    failed = table_row(cluster, "broken")
    assert "REPAIR TABLE" in str(failed) and "broken" in failed["last_error"], failed
    db.run("DELETE FROM customer WHERE id = 1", "shop")
    wait_until(lambda: set(rows(cluster, "customer")) == {"2", "3"} if table_row(cluster, "customer")["state"] == "streaming" else False,
               60,
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
        wait_until(lambda: cluster.query("SELECT lag > interval '3 seconds' FROM replicator_status WHERE name = 's'")[0][0], 45,
                   "the lag to grow")
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


def test_a_server_in_maintenance_is_waited_for(cluster, db, follow, server):
    if server.flavour == "MariaDB":
        pytest.skip("MariaDB has no offline_mode")
    follow()
    db.run("SET GLOBAL offline_mode = ON")
    try:
        wait_until(lambda: cluster.status("s")["state"] == "backing_off", 60, lambda: f"an outage: {cluster.status('s')}")
        wait_until(lambda: "offline_mode" in (cluster.status("s")["hint"] or ""), 60, lambda: f"its reason: {cluster.status('s')}")
        db.run("INSERT INTO customer VALUES (7, 'meanwhile', 0, NULL)", "shop")
    finally:
        db.run("SET GLOBAL offline_mode = OFF")
    wait_until(lambda: "7" in rows(cluster, "customer"), 60, lambda: f"the row of meanwhile: {cluster.status('s')}")
    assert cluster.status("s")["state"] == "streaming"


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
        wait_until(lambda: cluster.query("SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = relation WHERE c.relname = 'large' "
                                         "AND mode = 'RowExclusiveLock'")[0][0] > 0,
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
    result = subprocess.run(["unshare", "-m", "--propagation", "private", "/usr/bin/python3", script, db.url("shop"), db.socket,
                             db.client[0]], capture_output=True, text=True, timeout=900)
    if result.returncode == 77:
        pytest.skip(result.stdout)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
