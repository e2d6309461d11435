"""Statements in the log that are hard to read, or that change rows without a word of it: the target is right all the same."""
import contextlib
import os
import pathlib
import threading

import pytest

from mysql_servers import MariaDbServer, MySqlServer, UnavailableServer
from private_cluster import wait_until
from observing import caught_up, equal, registered, rows, run_bytes, table_row


def events(cluster, what, table=None):
    """Statements, since the source was registered."""
    return [row[0] for row in cluster.query("SELECT arguments->>'statement' FROM replicator_events WHERE action LIKE %s AND (%s IS NULL OR "
                                            "arguments->>'table' = %s) AND at > (SELECT max(at) FROM replicator_events WHERE action = "
                                            "'replicator_init')", (what, table, table))]


def test_rows_that_go_without_row_events(cluster, db, follow):
    db.run("CREATE TABLE listed (id INT PRIMARY KEY) PARTITION BY LIST (id) (PARTITION p VALUES IN (1, 2, 3), PARTITION q VALUES IN (4)); "
           "INSERT INTO listed VALUES (1), (3), (4); CREATE TABLE ignoring (id INT PRIMARY KEY); INSERT INTO ignoring VALUES (1), (3)",
           "shop")
    follow()
    db.run("ALTER TABLE listed REORGANIZE PARTITION p INTO (PARTITION p VALUES IN (1, 2))", "shop")
    if db.flavour == "MariaDB":
        db.run("ALTER IGNORE TABLE ignoring PARTITION BY LIST (id) (PARTITION p VALUES IN (1, 2))", "shop")
    caught_up(cluster)
    assert set(rows(cluster, "listed")) == {"1", "4"}
    assert set(rows(cluster, "ignoring")) == ({"1"} if db.flavour == "MariaDB" else {"1", "3"})


def test_rows_that_a_repair_has_dropped_go(cluster, db, follow):
    db.run("CREATE TABLE mended (id INT PRIMARY KEY) ENGINE=MyISAM; INSERT INTO mended VALUES (1), (2), (3)", "shop")
    follow()
    db.run("FLUSH TABLES", "shop")
    path = os.path.join(db.data, "shop", "mended.MYD")
    os.truncate(path, os.path.getsize(path) * 2 // 3)
    db.run("REPAIR TABLE mended", "shop")
    left = {row[0] for row in db.query("SELECT id FROM mended", "shop")}
    assert left == {"1", "2"}
    caught_up(cluster)
    assert set(rows(cluster, "mended")) == left


def test_a_table_leaves_and_enters_the_urls_database(cluster, db, follow):
    db.run("DROP DATABASE IF EXISTS archive; CREATE DATABASE archive")
    try:
        follow()
        db.run("RENAME TABLE customer TO archive.customer; INSERT INTO archive.customer VALUES (9, '', 0, NULL); ALTER TABLE "
               "archive.customer "
               "ADD COLUMN c INT; CREATE TABLE archive.line LIKE line; INSERT INTO archive.line VALUES (7, 'new', 7); RENAME TABLE line TO "
               "archive.old, archive.line TO line", "shop")
        caught_up(cluster)
        assert table_row(cluster, "customer")["state"] == "excluded" and set(rows(cluster, "customer")) == {"1", "2", "3"}
        assert set(rows(cluster, "line")) == {'[7,"new"]'}
        assert cluster.query("SELECT DISTINCT database FROM replicator_tables WHERE source = 's'") == [("shop",)]
        assert cluster.query("SELECT 1 FROM pg_namespace WHERE nspname = 'archive'") == []
    finally:
        db.run("DROP DATABASE archive")


def test_a_database_that_the_url_no_longer_names_leaves(cluster, db, follow):
    db.run("DROP DATABASE IF EXISTS archive; CREATE DATABASE archive; CREATE TABLE archive.old (id INT PRIMARY KEY); INSERT INTO "
           "archive.old VALUES (1)")
    try:
        follow(database="shop,archive")
        assert set(rows(cluster, "old")) == {"1"}
        cluster.query("SELECT replicator_alter('s', source_url => %s)", (db.url("shop"),))
        assert table_row(cluster, "old")["state"] == "excluded"
        caught_up(cluster)  # the stream has seen it
        db.run("INSERT INTO archive.old VALUES (2); DELETE FROM line", "shop")
        caught_up(cluster)
        assert rows(cluster, "line") == {} and set(rows(cluster, "old")) == {"1"} and table_row(cluster, "old")["state"] == "excluded"
        cluster.query("SELECT replicator_alter('s', source_url => %s)", (db.url("shop,archive"),))
        caught_up(cluster)
        assert set(rows(cluster, "old")) == {"1", "2"} and cluster.status("s")["state"] == "streaming"
    finally:
        db.run("DROP DATABASE archive")


def test_a_statement_that_is_not_understood_has_its_tables_read_again(cluster, db, follow):
    """Its text fits no charset; so what it says is not known. Whatever it may have done is seen at the server."""
    db.run("CREATE TABLE `off` (id INT PRIMARY KEY)", "shop")
    follow()
    untouched = cluster.query("SELECT xmin, ctid FROM s.line ORDER BY id")
    # With the first row of the table goes what the log does not tell.
    db.run("SET sql_log_bin = 0; DELETE FROM customer WHERE id = 1; CREATE TABLE fresh (id INT PRIMARY KEY); INSERT INTO fresh VALUES (1); "
           "DROP TABLE `off`", "shop")
    run_bytes(db, b"ALTER TABLE customer ADD COLUMN c VARBINARY(3) DEFAULT _binary'\xff\xfe\x80', COMMENT 'off'", "sjis")
    db.run("INSERT INTO line VALUES (8, 'new', 8)", "shop")
    caught_up(cluster)
    assert set(rows(cluster, "customer")) == {"2", "3"} and '"c"' in rows(cluster, "customer")["2"]
    assert set(rows(cluster, "fresh")) == {"1"} and table_row(cluster, "off")["reason"] == "is no longer at the source"
    assert len(events(cluster, "statement not understood")) == 1 and len(events(cluster, "table perhaps changed", "shop.customer")) == 1
    assert set(untouched) <= set(cluster.query("SELECT xmin, ctid FROM s.line")) and not events(cluster, "table perhaps changed",
                                                                                                "shop.line")
    assert cluster.status("s")["state"] == "streaming" and equal(cluster)


def test_statements_that_come_all_the_time_do_not_keep_tables_from_being_read(cluster, db, follow):
    """Each of them may have changed the table while it was read."""
    db.run("CREATE TABLE big (id INT PRIMARY KEY, v INT); INSERT INTO big WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
           "WHERE i < 1000) "
           "SELECT a.i * 1000 + b.i, 0 FROM n a JOIN n b WHERE a.i <= 10", "shop")
    follow(options='{"apply_batch_rows": 100}')
    caught_up(cluster)
    copied = table_row(cluster, "big")["copy_finished_at"]
    stop = threading.Event()

    def write():
        number = 0
        while not stop.wait(0.2):
            number += 1
            db.run(f"SET SESSION binlog_format = 'STATEMENT'; UPDATE big SET v = {number} WHERE id % 1000 = {number % 1000}", "shop")
    writer = threading.Thread(target=write)
    writer.start()
    try:
        wait_until(lambda: table_row(cluster, "big")["copy_finished_at"] not in (None, copied), 120, "the table to be read again")
        wait_until(lambda: "binlog_format = ROW" in (cluster.status("s")["hint"] or ""), 45, "the status to say that it will be once more")
        assert table_row(cluster, "line")["consistency"] == "copying"
        caught_up(cluster)
    finally:
        stop.set()
        writer.join()
    caught_up(cluster)
    assert cluster.status("s")["hint"] is None and table_row(cluster, "line")["consistency"] == "transaction" and equal(cluster)


def test_nothing_waits_for_who_has_locked_the_events(cluster, db, follow):
    """What happens meanwhile is in the server log."""
    follow()
    with contextlib.closing(cluster.connect()) as other:
        other.autocommit = False
        other.cursor().execute("LOCK TABLE replicator.event IN ACCESS EXCLUSIVE MODE")
        before = len(cluster.log_text())
        db.run("ALTER TABLE customer ADD COLUMN w INT DEFAULT 5; SET SESSION binlog_format = 'STATEMENT'; UPDATE line SET v = 9", "shop")
        wait_until(lambda: '"w": 5' in rows(cluster, "customer")["1"] and '"v": 9' in rows(cluster, "line")['[2,""]'], 240, "the changes")
        log = cluster.log_text()[before:]
        for words in ('source "s": table altered', "ADD COLUMN w INT", 'source "s": changes not read: all tables are read again',
                      "binlog_format"):
            assert words in log, log
        other.rollback()
    db.run("TRUNCATE TABLE line", "shop")
    caught_up(cluster)
    assert events(cluster, "table %") == ["TRUNCATE TABLE line"] and rows(cluster, "line") == {}


def test_names_that_the_server_writes_in_another_charset(cluster, db, follow):
    follow()
    run_bytes(db, "CREATE TABLE `ärger` (PRIMARY KEY (id)) SELECT id FROM customer; CREATE TEMPORARY TABLE x (id INT PRIMARY KEY); CREATE "
                  "TABLE "
              "`größe` LIKE x; INSERT INTO `größe` VALUES (7)".encode("latin1"), "latin1")
    caught_up(cluster)
    db.run("INSERT INTO ärger VALUES (7)", "shop")
    caught_up(cluster)
    assert set(rows(cluster, "ärger")) == {"1", "2", "3", "7"} and set(rows(cluster, "größe")) == {"7"}


def test_statements_that_change_nothing_change_nothing(cluster, db, follow):
    follow()
    for statement in ("CREATE TABLE IF NOT EXISTS customer (id INT PRIMARY KEY)", "ALTER TABLE customer ADD INDEX (rate), ENGINE = InnoDB",
                      "OPTIMIZE TABLE line", "CREATE INDEX i ON line (v)",
                      "CREATE TABLE IF NOT EXISTS fresh (id INT PRIMARY KEY); INSERT INTO fresh VALUES (1)"):
        with cluster.waiting_at("nothing_to_do"):  # a table that a statement still locks is read again, as it cannot be looked at
            db.run(statement, "shop")
        caught_up(cluster)
    two_phases = "SET binlog_alter_two_phase = 1; " if db.flavour == "MariaDB" and db.version() >= (10, 8) else ""
    # A duplicate: the statement is rolled back, which MariaDB logs.
    with cluster.waiting_at("nothing_to_do"), contextlib.suppress(AssertionError):
        db.run("INSERT INTO line VALUES (5, 'x', 1); " + two_phases + "ALTER TABLE line ADD UNIQUE (v), ALGORITHM=COPY", "shop")
    caught_up(cluster)
    assert [statement for statement in events(cluster, "table %") if statement] == ["CREATE TABLE IF NOT EXISTS fresh (id INT PRIMARY KEY)"]
    assert set(rows(cluster, "fresh")) == {"1"} and equal(cluster)


def test_what_is_known_of_a_table_follows_statements(cluster, db, follow):
    """Its engine and its foreign keys are others; of a table whose engine is, all rows are read again."""
    db.run("CREATE TABLE plain (id INT PRIMARY KEY) ENGINE=MyISAM; INSERT INTO plain VALUES (1); CREATE TABLE child (id INT PRIMARY KEY, p "
           "BIGINT "
           "UNSIGNED)", "shop")
    follow()
    assert "MyISAM" in table_row(cluster, "plain")["note"]
    db.run("ALTER TABLE plain ENGINE=InnoDB; ALTER TABLE child ADD CONSTRAINT f FOREIGN KEY (p) REFERENCES customer (id) ON DELETE "
           "CASCADE", "shop")
    caught_up(cluster)
    assert not table_row(cluster, "plain")["note"]
    unlogged = db.flavour == "MariaDB"
    assert ("ON DELETE CASCADE" in (table_row(cluster, "child")["note"] or "")) == unlogged
    db.run("ALTER TABLE child DROP FOREIGN KEY f", "shop")
    caught_up(cluster)
    assert not table_row(cluster, "child")["note"]


def test_dialects_and_temporary_tables_of_mariadb(cluster, db, follow):
    if db.flavour != "MariaDB":
        pytest.skip("MySQL has neither")
    follow()
    db.run("TRUNCATE TABLE .line; SET sql_mode = 'MSSQL'; ALTER TABLE [customer] ADD COLUMN w INT DEFAULT 5; SET sql_mode = ''; "
           "CREATE TEMPORARY TABLE customer (id INT); RENAME TABLE customer TO other", "shop")
    if db.version() >= (10, 8):
        db.run("SET binlog_alter_two_phase = 1; ALTER TABLE line ADD COLUMN z INT DEFAULT 6, ALGORITHM=COPY; INSERT INTO line VALUES (1, "
               "'y', 1, 6)", "shop")
    db.run("INSERT INTO customer VALUES (4, '', 0, NULL, 1)", "shop")
    caught_up(cluster)
    assert '"w": 5' in rows(cluster, "customer")["1"] and set(rows(cluster, "customer")) == {"1", "2", "3", "4"}
    assert table_row(cluster, "customer")["state"] == "streaming" and equal(cluster)


@pytest.fixture
def lending(cluster):
    """A MySQL server with a table of its own, and one whose rows another server keeps, which happens to be itself."""
    try:
        server = MySqlServer({"federated": "ON"})
    except UnavailableServer as reason:
        pytest.skip(str(reason))
    server.create_user("lender", "pw", "SELECT ON far.*")
    server.run("CREATE DATABASE far; USE far; CREATE TABLE there (id INT PRIMARY KEY); INSERT INTO there VALUES (1); CREATE DATABASE near; "
               "USE near; "
               "CREATE TABLE own (id INT PRIMARY KEY); INSERT INTO own VALUES (1); CREATE TABLE lent (id INT PRIMARY KEY) ENGINE=FEDERATED "
               f"CONNECTION='mysql://lender:pw@127.0.0.1:{server.port}/far/there'")
    yield server
    cluster.query("SELECT replicator_drop(name, drop_tables => true) FROM replicator_status WHERE name = 'near'")
    server.destroy()


def test_a_table_whose_rows_are_kept_elsewhere_is_not_followed(cluster, lending):
    """Others change them there, without a word in this server's log."""
    cluster.query("SELECT replicator_init(%s, name => 'near', target_schema => 'near')", (lending.url("near"),))
    cluster.wait_for_state("near", "streaming")
    assert table_row(cluster, "lent", "near")["state"] == "unsupported" and "FEDERATED" in table_row(cluster, "lent", "near")["reason"]
    lending.run("INSERT INTO far.there VALUES (2); INSERT INTO near.own VALUES (2)")
    caught_up(cluster, "near")
    assert set(rows(cluster, "own", "near")) == {"1", "2"} and cluster.status("near")["state"] == "streaming"


def test_a_table_whose_engine_cannot_be_asked_fails_alone(cluster, lending):
    """It stopped the whole source: the error is one of a thousand that a server has."""
    cluster.query("SELECT replicator_init(%s, name => 'near', target_schema => 'near', mode => 'once')", (lending.url("near"),))
    cluster.wait_for_copy("near")
    assert set(rows(cluster, "lent", "near")) == {"1"}
    lending.run("ALTER USER lender@'127.0.0.1' IDENTIFIED BY 'other', lender@localhost IDENTIFIED BY 'other'; FLUSH TABLES; INSERT INTO "
                "near.own VALUES (2)")
    cluster.query("SELECT replicator_sync('near')")
    wait_until(lambda: len(rows(cluster, "own", "near")) == 2, 60, lambda: f"the other table: {cluster.status('near')}")
    row = table_row(cluster, "lent", "near")
    assert row["state"] == "failed" and "foreign data source" in row["reason"] and "replicator_resync" in row["hint"]
    assert set(rows(cluster, "lent", "near")) == {"1"} and cluster.status("near")["state"] == "idle"
    lending.run("ALTER USER lender@'127.0.0.1' IDENTIFIED BY 'pw', lender@localhost IDENTIFIED BY 'pw'; FLUSH TABLES; INSERT INTO "
                "far.there VALUES (2)")
    cluster.query("SELECT replicator_resync('near', 'lent')")
    caught_up(cluster, "near")
    assert set(rows(cluster, "lent", "near")) == {"1", "2"}


def test_filters_and_rules_ignore_case_where_the_server_does(cluster):
    server = MariaDbServer({"lower-case-table-names": 1})
    try:
        server.run("CREATE DATABASE store; USE store; CREATE TABLE t (id INT PRIMARY KEY, v INT); CREATE TABLE u (id INT PRIMARY KEY); "
                   "CREATE TABLE "
                   "secret (id INT PRIMARY KEY); CREATE TABLE keyless (a INT NOT NULL); INSERT INTO t VALUES (1, 1); INSERT INTO u VALUES "
                   "(1)")
        cluster.query("SELECT replicator_init(%s, name => 's3', target_schema => 's3', mode => 'continuous', exclude_tables => "
                      "'{SECRET,Store.Ü*}', "
                      "rules => '{\"keys\": {\"Store.KEYLESS\": [\"a\"]}}')", (server.url("Store"),))
        cluster.wait_for_state("s3", "streaming")
        server.run("INSERT INTO T VALUES (3, 3); TRUNCATE TABLE U; ALTER TABLE STORE.T ADD COLUMN w INT DEFAULT 5; CREATE TABLE Neu (id "
                   "INT PRIMARY KEY); "
                   "INSERT INTO keyless VALUES (8); CREATE TABLE übrig (id INT PRIMARY KEY); RENAME TABLE NEU TO Neuer", "store")
        caught_up(cluster, "s3")
        tables = dict(cluster.query("SELECT \"table\", state FROM replicator_tables WHERE source = 's3'"))
        tables.pop("neu", None)  # seen only if the server was asked before it was renamed
        assert tables == {"t": "streaming", "u": "streaming", "secret": "excluded", "keyless": "streaming", "neuer": "streaming",
                          "übrig": "excluded"}
        assert rows(cluster, "t", "s3") == {"1": '{"v": 1, "w": 5, "id": 1}', "3": '{"v": 3, "w": 5, "id": 3}'}
        assert rows(cluster, "u", "s3") == {} and rows(cluster, "keyless", "s3") == {"8": '{"a": 8}'}
    finally:
        cluster.query("SELECT replicator_drop('s3', drop_tables => true)")
        server.destroy()


def test_a_table_that_no_statement_has_made_is_found_by_its_rows(cluster, db, follow):
    """One that is new, one whose name was dropped before; not one that the filters leave out."""
    follow(exclude_tables=["unwanted*"])
    db.run("DROP TABLE line; SET sql_log_bin = 0; CREATE TABLE line (id INT PRIMARY KEY, v INT); INSERT INTO line VALUES (1, 1); "
           "CREATE TABLE fresh LIKE line; INSERT INTO fresh VALUES (1, 1); CREATE TABLE unwanted LIKE line; CREATE TABLE bag (v INT); "
           "SET sql_log_bin = 1; INSERT INTO line VALUES (2, 2); INSERT INTO fresh VALUES (2, 2); INSERT INTO unwanted VALUES (2, 2); "
           "INSERT INTO bag VALUES (2), (2)", "shop")
    caught_up(cluster)
    assert rows(cluster, "line").keys() == rows(cluster, "fresh").keys() == {"1", "2"}
    assert table_row(cluster, "fresh")["state"] == table_row(cluster, "line")["state"] == "streaming"
    assert len(rows(cluster, "bag")) == 2 and table_row(cluster, "unwanted") is None
    db.run("UPDATE line SET v = 7; DELETE FROM fresh WHERE id = 1", "shop")
    caught_up(cluster)
    assert rows(cluster, "line")["1"] == '{"v": 7, "id": 1}' and rows(cluster, "fresh").keys() == {"2"}


def test_a_table_that_has_gone_again_without_a_statement_is_not_waited_for(cluster, db, follow):
    """Held before it begins, the stream reads of it when it is not there any more."""
    follow()
    cluster.query("SELECT replicator_pause('s')")
    wait_until(lambda: not cluster.workers("source worker"), 45, "the worker to end")
    db.run("SET sql_log_bin = 0; CREATE TABLE fresh (id INT PRIMARY KEY); SET sql_log_bin = 1; INSERT INTO fresh VALUES (1); "
           "SET sql_log_bin = 0; DROP TABLE fresh", "shop")
    cluster.query("SELECT replicator_resume('s')")
    caught_up(cluster)
    assert table_row(cluster, "fresh") is None and cluster.status("s")["state"] == "streaming"
    db.run("CREATE TABLE fresh (id INT PRIMARY KEY); INSERT INTO fresh VALUES (2)", "shop")
    caught_up(cluster)
    assert rows(cluster, "fresh").keys() == {"2"}


def test_an_imported_table_of_mysql_is_found_by_its_rows(cluster, source_s):
    """IMPORT TABLE is not in the log."""
    try:
        server = MySqlServer({"secure-file-priv": ""})
    except UnavailableServer as error:
        pytest.skip(str(error))
    try:
        server.run("CREATE DATABASE shop; CREATE TABLE shop.kept (id INT PRIMARY KEY)")
        registered(cluster, server.url("shop"))
        server.run("SET sql_log_bin = 0; CREATE TABLE shop.imported (id INT PRIMARY KEY) ENGINE = MyISAM; "
                   "INSERT INTO shop.imported VALUES (1), (2); FLUSH TABLES")
        directory = pathlib.Path(server.data, "shop")
        aside = {file: file.read_bytes() for file in directory.glob("imported*")}
        server.run("SET sql_log_bin = 0; DROP TABLE shop.imported")
        for file, content in aside.items():
            file.write_bytes(content)
            os.chmod(file, 0o666)
        description, = (file.name for file in aside if file.suffix == ".sdi")
        server.run(f"IMPORT TABLE FROM 'shop/{description}'; INSERT INTO imported VALUES (3)", "shop")
        caught_up(cluster)
        assert rows(cluster, "imported").keys() == {"1", "2", "3"}
    finally:
        server.destroy()
