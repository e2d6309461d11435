"""Change streams and the tables' structure: every class of DDL, and values as the snapshot reads them."""
import itertools
import re

import pytest
from expected import expect, inserts, n


numbers = itertools.count()


@pytest.fixture
def table(server):
    name = f"s{next(numbers)}"
    server.run(f"CREATE TABLE {name} (a int PRIMARY KEY, b varchar(20))", "d")
    return name


def test_tables_come_and_go(server, adapter, table):
    stream = adapter.stream(table)
    server.run(f"CREATE TABLE x1 (a int); CREATE TABLE x2 LIKE x1; RENAME TABLE x1 TO y1, x2 TO y2; DROP TABLE y1, y2; "
               f"TRUNCATE TABLE {table}; DROP TABLE {table}; CREATE DATABASE e; CREATE TABLE e.t (a int); DROP DATABASE e", "d")
    assert stream.schema() == [
        ("created", "d.x1", ""), ("created", "d.x2", ""), ("renamed", "d.x1", "d.y1"), ("renamed", "d.x2", "d.y2"),
        ("dropped", "d.y1", ""), ("dropped", "d.y2", ""), ("truncated", f"d.{table}", ""), ("dropped", f"d.{table}", ""),
        ("created", "e.t", ""), ("database dropped", "e.", "")]


def test_a_batch_ends_behind_a_schema_change(server, adapter, table):
    stream = adapter.stream(table)
    server.run(f"INSERT INTO {table} VALUES (1, 'x'); ALTER TABLE {table} ADD COLUMN c int; INSERT INTO {table} VALUES (2, 'x', 3)", "d")
    first, *others = [batch for batch in stream.read_all() if batch["transactions"]]
    assert first["changes"] == inserts(table, 1) and first["complete"] == 1 and first["position"]
    assert [change[:3] for change in first["schema"]] == [["altered", f"d.{table}", ""]]
    assert first["schema"][0][3] == f"ALTER TABLE {table} ADD COLUMN c int"
    assert others[0]["changes"] == [["insert", f"d.{table}", [n(2), "x"]]], "a column that nobody has told the stream of"
    assert stream.ask(f"table d {table}") == "followed"
    server.run(f"INSERT INTO {table} VALUES (3, 'x', 4)", "d")
    assert stream.changes() == [["insert", f"d.{table}", [n(3), "x", n(4)]]]


def test_create_table_select_is_one_transaction(server, adapter, table):
    server.run(f"INSERT INTO {table} VALUES (1, 'x')", "d")
    stream = adapter.stream(table)
    server.run(f"CREATE TABLE copy_{table} (PRIMARY KEY (a)) SELECT * FROM {table}; INSERT INTO {table} VALUES (2, 'x')", "d")
    batches = [batch for batch in stream.read_all() if batch["transactions"]]
    assert [change[:3] for change in batches[0]["schema"]] == [["created", f"d.copy_{table}", ""]]
    assert [change for batch in batches for change in batch["changes"]] == inserts(table, 2)


def test_what_changes_no_table_is_passed_over(server, adapter, table):
    stream = adapter.stream(table)
    server.run(f"CREATE INDEX i ON {table} (b); ALTER TABLE {table} ADD INDEX j (b, a), COMMENT = 'c'; ANALYZE TABLE {table}; "
               f"CREATE VIEW v_{table} AS SELECT 1; CREATE TEMPORARY TABLE tmp (a int); INSERT INTO tmp VALUES (1); DROP TABLE tmp; "
               f"CREATE TRIGGER g_{table} AFTER INSERT ON {table} FOR EACH ROW SET @x = 1; DROP VIEW v_{table}; "
               f"INSERT INTO {table} VALUES (1, 'x')", "d")
    batches = stream.read_all()
    assert {change[0] for batch in batches for change in batch["schema"]} == {"redefined"}, "but for its indexes"
    assert [change for batch in batches for change in batch["changes"]] == inserts(table, 1)


def test_another_primary_key_is_not_passed_over(server, adapter, table):
    """Of which the log has no statement."""
    stream = adapter.stream(table).is_open()
    server.run(f"SET sql_log_bin = 0; ALTER TABLE {table} MODIFY b varchar(20) NOT NULL, DROP PRIMARY KEY, ADD PRIMARY KEY (a, b); SET "
               "sql_log_bin = 1; "
               f"INSERT INTO {table} VALUES (1, 'x'), (1, 'y')", "d")
    batches = stream.read_all()
    assert [change for batch in batches for change in batch["changes"]] == []
    assert any("primary key" in str(batch) and f"d.{table}" in str(batch) for batch in batches), batches


@pytest.mark.parametrize("keys", ["ADD UNIQUE one (a, b), ADD UNIQUE two (a)", "ADD UNIQUE two (b), ADD UNIQUE one (a)",
                                  "ADD UNIQUE part (b(3)), ADD UNIQUE one (a)"])
def test_what_a_server_takes_for_the_primary_key_need_not_be_the_key(server, adapter, table, keys):
    """Without a primary key that is one of the others; the log names it as if it were one."""
    server.run(f"ALTER TABLE {table} MODIFY b varchar(20) NOT NULL, DROP PRIMARY KEY, {keys}", "d")
    stream = adapter.stream(table).is_open()
    server.run(f"INSERT INTO {table} VALUES (1, 'x')", "d")
    batches = stream.read_all()
    assert [change for batch in batches for change in batch["changes"]] == inserts(table, 1), batches
    server.run(f"SET sql_log_bin = 0; ALTER TABLE {table} ADD c int PRIMARY KEY; SET sql_log_bin = 1; "
               f"INSERT INTO {table} VALUES (2, 'y', 1)", "d")
    assert [["redefined", f"d.{table}"]] == [change[:2] for batch in stream.read_all() for change in batch["schema"]]


def test_a_description_that_cannot_be_read_is_doubted_once(server, adapter, table):
    """Whoever is told of the doubt looks the table up, and forgets what was tried: with each event that would never end."""
    stream = adapter.stream(table).is_open()
    server.run(f"INSERT INTO {table} VALUES (1, 'x'); SET sql_log_bin = 0; ALTER TABLE {table} MODIFY b varchar(20) NOT NULL, "
               f"DROP PRIMARY KEY, ADD PRIMARY KEY (a, b); SET sql_log_bin = 1; INSERT INTO {table} VALUES (2, 'x'); "
               f"INSERT INTO {table} VALUES (3, 'x'); INSERT INTO {table} VALUES (4, 'x')", "d")
    batches = stream.read_all()
    assert [change for batch in batches for change in batch["changes"]] == inserts(table, 1)
    assert [change[:2] for batch in batches for change in batch["schema"]] == [["redefined", f"d.{table}"]]
    assert any("primary key" in str(batch) for batch in batches), batches


def test_a_statement_with_settings_of_its_own_is_seen(server, adapter, table, is_mariadb):
    if not is_mariadb:
        pytest.skip("MySQL has no SET STATEMENT")
    stream = adapter.stream(table)
    server.run(f"SET STATEMENT lock_wait_timeout = 5, max_statement_time = 0 FOR TRUNCATE TABLE {table}; "
               f"SET STATEMENT sql_mode = CONCAT('', 'ANSI') /* for */ FOR ALTER TABLE {table} ADD COLUMN c int; "
               f"CREATE UNIQUE INDEX i ON {table} (b); CREATE OR REPLACE INDEX i ON {table} (b)", "d")
    altered = ("altered", f"d.{table}", "")
    assert stream.schema() == [("truncated", f"d.{table}", ""), altered, altered, altered]


def test_a_table_is_followed_by_its_name(server, adapter, table):
    """As an online change of the structure swaps tables."""
    stream = adapter.stream(table)
    server.run(f"CREATE TABLE _new LIKE {table}; ALTER TABLE _new ADD COLUMN c int; INSERT INTO _new VALUES (1, 'x', 1); "
               f"RENAME TABLE {table} TO _old, _new TO {table}; INSERT INTO {table} VALUES (2, 'x', 2); "
               f"INSERT INTO _old VALUES (9, 'x'); DROP TABLE _old", "d")
    assert stream.changes() == [["insert", f"d.{table}", [n(2), "x"]]]


def test_databases_in_the_url_limit_what_is_told(server, adapter, table):
    server.run("CREATE DATABASE IF NOT EXISTS f")
    stream = adapter.stream(table, url=server.url("d"))
    server.run("CREATE TABLE f.t (a int); RENAME TABLE f.t TO f.u; RENAME TABLE f.u TO d.u; DROP TABLE d.u; DROP DATABASE f", "d")
    assert stream.schema() == [("renamed", "f.u", "d.u"), ("dropped", "d.u", "")]


def test_old_events_are_read_with_the_old_structure(server, adapter, table, is_mariadb):
    kind = "uuid" if is_mariadb else "varbinary(16)"
    value = "123e4567-e89b-12d3-a456-426655440000"
    literal = f"'{value}'" if is_mariadb else "x'" + value.replace("-", "") + "'"
    server.run(f"ALTER TABLE {table} ADD COLUMN u {kind}", "d")
    old = adapter.stream(table)
    server.run(f"INSERT INTO {table} VALUES (1, 'x', {literal}); ALTER TABLE {table} CHANGE u v {kind}, ADD COLUMN w int; "
               f"INSERT INTO {table} VALUES (2, 'x', {literal}, 5)", "d")
    expected = value if is_mariadb else {"x": value.replace("-", "")}
    assert old.changes()[0] == ["insert", f"d.{table}", [n(1), "x", expected]]
    # With the structure of today: the columns that both have.
    late = adapter.stream(table, position=old.start)
    first, second = late.changes()
    assert first == ["insert", f"d.{table}", [n(1), "x"]]
    assert second == ["insert", f"d.{table}", [n(2), "x", expected, n(5)]]


def test_a_type_that_came_later_is_not_read_from_older_events(server, adapter, table, is_mariadb):
    """As all structures of a moment after which the log is read: CHAR and TEXT that are UUID or INET6 by now, and the other way."""
    if not is_mariadb or server.version() < (10, 10):
        pytest.skip("MySQL has no such types, nor has MariaDB before 10.10")
    uuid, old = "123e4567-e89b-12d3-a456-426614174000", adapter.stream(table)
    server.run(f"ALTER TABLE {table} ADD COLUMN u CHAR(36), ADD COLUMN a6 VARCHAR(60), ADD COLUMN a4 VARCHAR(60), ADD COLUMN was uuid; "
               f"INSERT INTO {table} VALUES (1, 'x', '{uuid}', '2001:db8::1', '192.0.2.1', '{uuid}'); "
               f"ALTER TABLE {table} MODIFY u UUID, MODIFY a6 INET6, MODIFY a4 INET4, MODIFY was VARCHAR(40); "
               f"INSERT INTO {table} VALUES (2, 'x', '{uuid}', '2001:db8::1', '192.0.2.1', 'a text of more than sixteen bytes')", "d")
    late = adapter.stream(table, position=old.start)
    first, second = late.changes()
    assert second == ["insert", f"d.{table}", [n(2), "x", uuid, "2001:db8::1", "192.0.2.1", "a text of more than sixteen bytes"]]
    assert first[2][:4] == [n(1), "x", uuid, "2001:db8::1"]


def test_columns_that_the_copy_does_not_show_do_not_come(server, adapter, table, is_mariadb):
    """Those that the account may not read, and those that the server hides (of a UNIQUE on a text, at MariaDB)."""
    server.run(f"ALTER TABLE {table} ADD COLUMN secret varchar(20), ADD COLUMN t text" + (", ADD UNIQUE (t)" if is_mariadb else ""), "d")
    server.run("DROP USER IF EXISTS cols@'127.0.0.1', cols@localhost")
    server.create_user("cols", "pw", "REPLICATION SLAVE ON *.*")
    for host in ("127.0.0.1", "localhost"):
        server.run(f"GRANT SELECT (a, t) ON d.{table} TO cols@'{host}'")
    full, poor = adapter.stream(table), adapter.stream(table, url=server.url(user="cols", password="pw"))
    server.run(f"INSERT INTO {table} VALUES (1, 'x', 'hidden', 'text')", "d")
    assert full.changes() == [["insert", f"d.{table}", [n(1), "x", "hidden", "text"]]]
    batches = poor.read_all()
    assert [change for batch in batches for change in batch["changes"]] == [["insert", f"d.{table}", [n(1), "text"]]]
    assert [batch["layouts"][f"d.{table}"]["lacks"] for batch in batches if batch["layouts"]] == [""]


def test_a_structure_that_changes_without_a_word_is_told_once(server, adapter, table):
    """By the columns that a row has and nobody knows, and by types that are others than those of the row before."""
    def unlogged(sql):
        return f"SET sql_log_bin = 0; {sql}; SET sql_log_bin = 1; "
    stream = adapter.stream(table)
    redefined = [("redefined", f"d.{table}", "")]
    server.run(unlogged(f"ALTER TABLE {table} ADD COLUMN c int") + f"INSERT INTO {table} VALUES (1, 'x', 1); INSERT INTO {table} VALUES "
                                                                   "(2, 'x', 1)", "d")
    assert stream.schema() == redefined
    server.run(unlogged(f"ALTER TABLE {table} MODIFY b varchar(77)") + f"INSERT INTO {table} VALUES (3, 'x', 1); INSERT INTO {table} "
                                                                       "VALUES (4, 'x', 1)", "d")
    assert stream.schema() == redefined
    assert stream.ask(f"table d {table}") == "followed"
    server.run(f"INSERT INTO {table} VALUES (5, 'x', 1); INSERT INTO {table} VALUES (6, 'x', 1)", "d")
    assert stream.schema() == []


def test_statements_about_rights_and_foreign_keys_are_told(server, adapter, table):
    server.run(f"CREATE TABLE child_{table} (id int PRIMARY KEY, a int, KEY (a)) ENGINE = InnoDB", "d")
    stream = adapter.stream(table)
    server.run(f"ALTER TABLE child_{table} ADD CONSTRAINT f_{table} FOREIGN KEY (a) REFERENCES {table} (a) ON DELETE CASCADE; "
               f"ALTER TABLE child_{table} DROP FOREIGN KEY f_{table}; CREATE USER IF NOT EXISTS somebody@localhost; "
               f"GRANT SELECT ON d.* TO somebody@localhost; GRANT SELECT (a) ON d.{table} TO somebody@localhost; "
               "GRANT SELECT ON d.* TO replicator@localhost", "d")
    assert stream.schema() == [("redefined", f"d.child_{table}", ""), ("redefined", f"d.child_{table}", ""),
                               ("rights", ".", ""), ("rights", f"d.{table}", ""), ("rights", ".", "")]


def test_of_a_versioned_table_the_current_rows_come(server, adapter, is_mariadb):
    if not is_mariadb:
        pytest.skip("MariaDB alone has system versioning")
    server.run("DROP TABLE IF EXISTS v, w; CREATE TABLE v (a int PRIMARY KEY, b int) WITH SYSTEM VERSIONING; CREATE TABLE w (a int PRIMARY "
               "KEY, b int, s timestamp(6) GENERATED ALWAYS AS ROW START, e timestamp(6) GENERATED ALWAYS AS ROW END, PERIOD FOR "
               "SYSTEM_TIME (s, e)) WITH SYSTEM VERSIONING", "d")
    stream = adapter.stream("v", "w")
    for name in "vw":
        server.run(f"INSERT INTO {name} (a, b) VALUES (1, 1), (2, 1); UPDATE {name} SET b = 2 WHERE a = 1; DELETE FROM {name} WHERE a = 2; "
                   f"DELETE HISTORY FROM {name}", "d")
    changes = stream.changes()
    for name in "vw":
        assert [(kind, rows[-1][:2]) for kind, table, *rows in changes if table == f"d.{name}"] == [
            ("insert", [n(1), n(1)]), ("insert", [n(2), n(1)]), ("update", [n(1), n(2)]), ("delete", [n(2), n(1)])]
    assert [change for change in changes if change[1:2] == ["d.w"]][2][3] == adapter.rows("d", "w")[0]


def test_times_in_the_old_format_of_mariadb(server, adapter, is_mariadb):
    if not is_mariadb:
        pytest.skip("MySQL converts them")
    columns = ("a time, b time(2), c time(6), d datetime, e datetime(3), f datetime(6), g timestamp NULL, h timestamp(1) NULL, "
               "i timestamp(6) NULL")
    server.run("SET GLOBAL mysql56_temporal_format = OFF")
    try:
        server.run(f"DROP TABLE IF EXISTS old; CREATE TABLE old (id int PRIMARY KEY, {columns})", "d")
        stream = adapter.stream("old")
        for key, (time, moment) in enumerate([("-838:59:59", "0000-00-00"), ("-00:00:01.234567", "2024-01-31 10:20:30.987654"),
                                              ("12:34:56.5", "1999-12-31 23:59:59.999999")]):
            server.run(f"SET sql_mode = ''; INSERT INTO old VALUES ({key}, " + ", ".join([f"'{time}'"] * 3 + [f"'{moment}'"] * 6) + ")",
                       "d")
    finally:
        server.run("SET GLOBAL mysql56_temporal_format = ON")
    changes = stream.changes()
    assert [change[2] for change in changes] == sorted(adapter.rows("d", "old"), key=lambda row: row[0]["n"])


COLUMNS = """
    c1 tinyint, c2 tinyint unsigned, c3 smallint, c4 mediumint, c5 mediumint unsigned, c6 int unsigned, c7 bigint, c8 bigint unsigned,
    c9 decimal(30,10), c10 float, c11 double, c12 bit(20), c13 year, c14 date, c15 datetime, c16 datetime(6), c17 timestamp(3) NULL,
    c18 time, c19 time(6), c20 char(10) character set latin1, c21 varchar(300) character set ucs2, c22 text character set sjis,
    c23 binary(6), c24 varbinary(40), c25 blob, c26 enum('a','b''c','ü') character set latin1, c27 set('x','y','zw'), c28 json,
    c29 geometry, c30 int(5) unsigned zerofill, c31 boolean, c32 longtext, c33 tinyblob, c34 varchar(10) character set utf8mb4,
    c35 int AS (c1 + 1) VIRTUAL, c36 int AS (c1 + 1) STORED, c37 set('','one','two'), c38 timestamp NULL, c39 decimal(5,0)"""

ROWS = [
    """-128, 255, -32768, -8388608, 16777215, 4294967295, -9223372036854775808, 18446744073709551615, 12345678901234567890.0123456789,
    0.1, 1e300, b'10101010101010101010', 2024, '2024-01-31', '2024-01-31 10:20:30', '2024-01-31 10:20:30.123456',
    '2024-01-31 10:20:30.5', '-838:59:59', '-00:00:00.5', 'é€', 'Ωж', _utf8mb4'日本', 'ab', 'abc', x'00ff00', 'ü', 'x,y',
    '{"b": [1, 2.50, "x", null, true, {"n": 1e5}], "a": -7}', ST_GeomFromText('POINT(1 2)', 4326), 42, 2, REPEAT('long', 20000), '',
    '😀', DEFAULT, DEFAULT, 'one', '2024-06-30 23:59:59', 99999""",
    """127, 0, 32767, 8388607, 0, 0, 9223372036854775807, 0, -0.0000000001, -5, -1.5, 0, 1901, '0000-00-00', '0000-00-00 00:00:00',
    '9999-12-31 23:59:59.999999', '1970-01-01 00:00:01', '838:59:59', '12:00:00.000001', '', '', '', '', '', '', '', '',
    '"text"', ST_GeomFromText('LINESTRING(0 0,1 1)'), 0, -1, '', REPEAT('x', 255), 'a', DEFAULT, DEFAULT, '', '1999-12-31 00:00:00', -1""",
    ", ".join(["NULL"] * 34 + ["DEFAULT", "DEFAULT"] + ["NULL"] * 3)]


def test_the_stream_reads_every_type_as_the_snapshot_does(server, adapter, is_mariadb):
    special = ", m1 uuid, m2 inet4, m3 inet6" if is_mariadb else ", m1 vector(3)"
    values = ["'0189e4567-e89b-72d3-a456-42665544000'", "'192.0.2.1'", "'2001:db8::1'"]
    values = ["'123e4567-e89b-12d3-a456-426655440000'", *values[1:]] if is_mariadb else ["TO_VECTOR('[1,2,3]')"]
    server.run(f"DROP TABLE IF EXISTS wide; CREATE TABLE wide (id int PRIMARY KEY, {COLUMNS} {special}) CHARACTER SET utf8mb4", "d")
    stream = adapter.stream("wide")
    for key, row in enumerate(ROWS):
        server.run(f"SET sql_mode = '', time_zone = '+00:00'; INSERT INTO wide VALUES ({key}, {row}, {', '.join(values)})", "d")
    server.run("SET sql_mode = ''; UPDATE wide SET c34 = 'new'", "d")
    changes = stream.changes()
    updated = [change[3] for change in changes if change[0] == "update"]
    snapshot = sorted(adapter.rows("d", "wide"), key=lambda row: int(row[0]["n"]))
    assert len(updated) == 3
    for ours, theirs in zip(updated, snapshot):
        for column, (a, b) in enumerate(zip(ours, theirs)):
            assert a == b, f"column {column}"
        assert ours == theirs
    assert [change[2] for change in changes if change[0] == "update"] == [change[2] for change in changes if change[0] == "insert"]


def test_what_is_applied_is_shown_by_its_place(server, adapter, is_mariadb):
    server.run("DROP TABLE IF EXISTS places; CREATE TABLE places (id int PRIMARY KEY)", "d")
    stream = adapter.stream("places")
    server.run("INSERT INTO places VALUES (1)", "d")
    server.begin_log_file()
    server.run("INSERT INTO places VALUES (2)", "d")
    assert len(stream.changes()) == 2
    assert stream.ask(f"shows {stream.position}") == "1"
    beyond = stream.ask("high")
    if is_mariadb:
        place = re.search(r" binlog=([^ ]*):(\d+)", stream.position)
        beyond = stream.position[:place.start(2)] + str(int(place[2]) + 1) + stream.position[place.end(2):]
    else:
        beyond = re.sub(r"-(\d+)$", lambda number: f"-{int(number[1]) + 1}", beyond)
    assert stream.ask(f"shows {beyond}") == "0"
    expect(stream.ask("shows " + re.sub(" server=[^ ]*", " server=another", stream.position)), "replaced", "another MySQL server answers")


def test_a_log_file_with_an_event_that_the_server_cannot_read_again(server, adapter, is_mariadb):
    """MariaDB looks through its file for the GTID of a place, and gives up at an event beyond max_allowed_packet: then we look."""
    if not is_mariadb:
        pytest.skip("MySQL looks into no file")
    server.run("DROP TABLE IF EXISTS wide_event; CREATE TABLE wide_event (id int PRIMARY KEY, v longtext)", "d")
    stream = adapter.stream("wide_event")
    limit = server.value("SELECT @@GLOBAL.max_allowed_packet")
    server.begin_log_file()  # with all that the server writes there by itself
    server.run("SET GLOBAL max_allowed_packet = 67108864")
    try:
        server.run(f"INSERT INTO wide_event VALUES (1, REPEAT('x', {int(limit) + 1000}))", "d")
    finally:
        server.run(f"SET GLOBAL max_allowed_packet = {limit}")
    assert len(stream.changes()) == 1
    assert stream.ask(f"shows {stream.position}") == "1"
    low = stream.ask("low")
    gtid = re.compile(" gtid=([^ ]*)")
    assert gtid.search(low)[1] == gtid.search(stream.position)[1], "it is exact"
    holder = adapter.hold("d", "wide_event")
    assert holder.reached(stream.position, holder.position), "of a snapshot the place is told, too"
    server.run("INSERT INTO wide_event VALUES (2, 'x')", "d")
    later = adapter.hold("d", "wide_event")
    assert not holder.reached(stream.position, later.position)
    again = adapter.stream("wide_event", position=low)
    assert [change[2][0] for change in again.changes()] == [{"n": "2"}]
    holder.close()
    later.close()
    assert stream.ask(f"reached {stream.ask('low')}\t{stream.position}") == "1"


def test_a_table_that_is_not_followed_is_told_of_once(server, adapter, table):
    """Until a statement names it; and when its transaction has ended."""
    stream = adapter.stream(table)
    other = f"{table}_other"
    server.run(f"CREATE TABLE {other} LIKE {table}; CREATE DATABASE IF NOT EXISTS elsewhere; "
               "CREATE TABLE IF NOT EXISTS elsewhere.t (a int)", "d")
    stream.read_all()

    def told():
        return [name for batch in stream.read_all() for name in batch["not_followed"]]
    server.run(f"BEGIN; INSERT INTO {other} VALUES (1, ''), (2, ''); INSERT INTO {table} VALUES (1, ''); UPDATE {other} SET b = 'x'; "
               "INSERT INTO elsewhere.t VALUES (1); COMMIT", "d")
    assert sorted(told()) == [f"d.{other}", "elsewhere.t"]
    server.run(f"DELETE FROM {other} WHERE a = 1; INSERT INTO {table} VALUES (2, '')", "d")
    assert told() == []
    server.run(f"DROP TABLE {other}; CREATE TABLE {other} (a int PRIMARY KEY); INSERT INTO {other} VALUES (1)", "d")
    assert told() == [f"d.{other}"]
    narrow = adapter.stream(table, url=server.url("d"), position=stream.start)
    assert {name for batch in narrow.read_all() for name in batch["not_followed"]} == {f"d.{other}"}
