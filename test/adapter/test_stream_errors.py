"""Change streams that cannot go on say why, and what to do."""
import itertools
import os
import pathlib

import pytest

from private_cluster import wait_until
from mysql_servers import MariaDbServer, MySqlServer, UnavailableServer
from conftest import Adapter
from expected import KIND, expect, inserts

numbers = itertools.count()
damaged = []  # files of the log


@pytest.fixture
def table(server):
    name = f"e{next(numbers)}"
    server.run(f"CREATE TABLE {name} (a int PRIMARY KEY, b varchar(20))", "d")
    yield name
    if damaged:
        server.begin_log_file()  # others are to begin behind it
        damaged.clear()


def test_a_purged_log_is_a_lost_position(server, adapter, table):
    stream = adapter.stream(table)
    start = stream.start
    stream.close()
    # A server keeps the files that are being read, and notices with its next heartbeat that nobody does any more.
    wait_until(lambda: server.value("SELECT COUNT(*) FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'") == "0",
               45, lambda: "the end of the streams")
    server.run(f"INSERT INTO {table} VALUES (1, 'x'); FLUSH BINARY LOGS; INSERT INTO {table} VALUES (2, 'x'); FLUSH BINARY LOGS", "d")

    def purged():
        server.run("PURGE BINARY LOGS TO '" + server.query("SHOW BINARY LOGS")[-1][0] + "'")
        return len(server.query("SHOW BINARY LOGS")) == 1
    wait_until(purged, 45, lambda: "the purge")  # MariaDB keeps a file until a checkpoint says that it is not needed
    expect(adapter.stream(table, position=start).error(), "position lost", "Copy the source again")


def test_another_history_is_noticed(server, adapter, table, is_mariadb):
    stream = adapter.stream(table)
    words = stream.start.split(" ")
    if is_mariadb:
        for gtid in ("0-1-99999999", "77-1-1"):
            expect(adapter.stream(table, position=f"{words[0]} {words[1]} gtid={gtid}").error(), "diverged", gtid)
    else:
        for gtid in (words[2] + ":99999999", words[2] + ",11111111-2222-3333-4444-555555555555:1-5"):
            expect(adapter.stream(table, position=f"{words[0]} {words[1]} {gtid}").error(), "diverged")
    other = "mysql server=x gtid=11111111-2222-3333-4444-555555555555:1" if is_mariadb else "mariadb server=x gtid=0-1-1"
    expect(adapter.stream(table, position=other).error(), "diverged")


def prepare(server, xid, *statements):
    """In a session that then ends."""
    server.run(f"XA START '{xid}'; {'; '.join(statements)}; XA END '{xid}'; XA PREPARE '{xid}'", "d")


def test_a_distributed_transaction_is_given_when_it_is_committed(server, adapter, table):
    stream = adapter.stream(table)
    server.run(f"XA START 'p'; INSERT INTO {table} VALUES (1, 'x'); XA END 'p'; XA COMMIT 'p' ONE PHASE; "
               f"XA START 'q'; INSERT INTO {table} VALUES (9, 'x'); XA END 'q'; XA ROLLBACK 'q'", "d")
    prepare(server, "r", f"INSERT INTO {table} VALUES (20, 'x')", "SAVEPOINT s", f"INSERT INTO {table} VALUES (30, 'x')", "ROLLBACK TO s",
            f"INSERT INTO {table} VALUES (40, 'x')")
    prepare(server, "never", f"INSERT INTO {table} VALUES (5, 'x')")
    server.run(f"INSERT INTO {table} VALUES (6, 'x')", "d")
    assert stream.changes() == inserts(table, 1, 6)
    server.run(f"XA ROLLBACK 'never'; XA COMMIT 'r'; INSERT INTO {table} VALUES (7, 'x')", "d")
    batches = stream.read_all()
    assert sum((batch["changes"] for batch in batches), []) == inserts(table, 20, 40, 7)
    assert not any(batch["schema"] or batch["unread"] for batch in batches) and "prepared" not in stream.position


def test_what_was_handed_out_of_a_distributed_transaction_is_taken_back_until_it_is_committed(server, adapter, table):
    stream = adapter.stream(table)
    prepare(server, "l", *(f"INSERT INTO {table} VALUES ({key}, 'x')" for key in range(20)))
    server.run(f"INSERT INTO {table} VALUES (100, 'x')", "d")
    batches = stream.read_all(5)
    assert len(batches[0]["changes"]) == 5 and batches[0]["complete"] == 0, "a part of it"
    assert [batch["changes"] for batch in batches if batch["withdrawn"]] == [inserts(table, 100)]
    server.run("XA COMMIT 'l'", "d")
    assert stream.changes(5) == inserts(table, *range(20))


def test_a_distributed_transaction_that_is_not_held_has_its_tables_read_again(server, adapter, table):
    """It was prepared before this stream began, or is too large."""
    server.run(f"CREATE TABLE large_{table} (a int PRIMARY KEY, b longtext); CREATE TABLE aside_{table} (a int PRIMARY KEY)", "d")
    stream = adapter.stream(table, f"large_{table}", f"aside_{table}")
    prepare(server, "held", f"INSERT INTO {table} VALUES (1, 'x')")
    prepare(server, "large", *(f"INSERT INTO large_{table} VALUES ({key}, REPEAT('x', 6 << 20))" for key in range(3)))
    last = stream.read_all()[-1]
    assert last["withdrawn"] and last["changes"] == []
    server.run("XA COMMIT 'large'", "d")
    assert stream.schema() == [("altered", f"d.large_{table}", "")]
    server.run("XA COMMIT 'held'", "d")
    assert stream.changes() == inserts(table, 1), "it left room for what is smaller"
    prepare(server, "r", f"INSERT INTO {table} VALUES (2, 'x')")
    late = adapter.stream(table, f"aside_{table}")
    assert stream.changes() == []
    stream.close()
    again = adapter.stream(table, f"aside_{table}", position=stream.position)
    server.run("XA COMMIT 'r'", "d")
    assert again.schema() == [("altered", f"d.{table}", "")]
    # What was prepared before all that is known may have changed anything.
    assert set(late.schema()) == {("altered", f"d.{table}", ""), ("altered", f"d.aside_{table}", "")}


def damage(server, *kinds, file=-1, behind=19 + 2):
    """Changes a byte of the last event of each kind in the log's last file, as a disk may: by default one behind its header; -2:
    in the file before."""
    file = server.query("SHOW BINARY LOGS")[file][0]
    events = server.query(f"SHOW BINLOG EVENTS IN '{file}'")  # before it is damaged
    damaged.append(file)
    with open(pathlib.Path(server.data) / file, "r+b") as log:
        for kind in kinds:
            place = max(int(row[1]) for row in events if row[2:3] == [kind])
            log.seek(place + behind)
            byte = log.read(1)[0]
            log.seek(-1, os.SEEK_CUR)
            log.write(bytes([byte ^ 1]))


def told_of(batches):
    """What is said of the log as a whole."""
    told = [change for batch in batches for change in batch["schema"]]
    assert all(change[:2] == ["unread rows", "."] for change in told), told
    return [change[3] for change in told]


def given(batches):
    return [change for batch in batches for change in batch["changes"]]


@pytest.mark.parametrize("kind", ["Table_map", "rows", "Xid"])
def test_damage_that_may_concern_any_table_is_told_and_passed(server, adapter, table, is_mariadb, kind):
    start = adapter.stream(table).start
    server.run(f"INSERT INTO {table} VALUES (1, 'x')", "d")
    damage(server, kind if kind != "rows" else "Write_rows_v1" if is_mariadb else "Write_rows")
    stream = adapter.stream(table, position=start)
    batches = stream.read_all()  # also where the end of the log's last transaction is damaged
    (kind_told, name, _, note), = [change for batch in batches for change in batch["schema"]]
    assert (kind_told, name) == ("unread rows", ".") and "checksum" in note and "position " in note
    server.run(f"INSERT INTO {table} VALUES (2, 'x')", "d")
    assert stream.changes() == inserts(table, 2)
    stream.close()
    assert adapter.stream(table, position=stream.position).changes() == [], "it was passed for good"


def test_damage_between_transactions_is_told_and_passed(server, adapter, table):
    """What it was is not certain: it may have said that something is missing."""
    start = adapter.stream(table).start
    server.run(f"INSERT INTO {table} VALUES (1, 'x')", "d")
    server.restart()
    damage(server, "Stop", file=-2)
    server.run(f"INSERT INTO {table} VALUES (2, 'x')", "d")
    stream = adapter.stream(table, position=start)
    batches = stream.read_all()
    assert [change for batch in batches for change in batch["changes"]] == inserts(table, 1, 2)
    (kind_told, name, _, note), = [change for batch in batches for change in batch["schema"]]
    assert (kind_told, name) == ("unread rows", ".") and "checksum" in note and "position " in note


NAMES = {"name": ("Gtid",), "name and what follows": ("Gtid", "Query"), "all": ("Gtid", "Query", "Table_map", "Write_rows", "Xid")}


@pytest.mark.parametrize("last", [False, True], ids=["before others", "at the end"])
@pytest.mark.parametrize("what", NAMES)
def test_a_transaction_whose_name_is_damaged_is_passed_and_told_once(server, adapter, table, is_mariadb, what, last):
    """What can be read of it is given; which one it was shows when the log has been read."""
    kinds = NAMES[what]
    if is_mariadb:  # where no BEGIN follows, and ROWS have another name
        kinds = ("Gtid",) if what == "name" else ("Gtid", "Table_map") if len(kinds) == 2 else ("Gtid", "Table_map", "Write_rows_v1", "Xid")
    start = adapter.stream(table).start
    server.run(f"INSERT INTO {table} VALUES (1, 'x'), (2, 'x')", "d")
    damage(server, *kinds)
    last or server.run(f"INSERT INTO {table} VALUES (3, 'x')", "d")
    stream = adapter.stream(table, position=start)
    batches = stream.read_all()
    (note,) = told_of(batches)
    assert "checksum" in note and "position " in note
    is_read = what == "name" or (what != "all" and not is_mariadb)  # where BEGIN says nothing of the rows
    assert given(batches) == inserts(table, *((1, 2) if is_read else ()), *(() if last else (3,)))
    for key in (4, 5):
        stream.close()
        stream = adapter.stream(table, position=stream.position).is_open()
        server.run(f"INSERT INTO {table} VALUES ({key}, 'x')", "d")
        batches = stream.read_all()
        assert given(batches) == inserts(table, key) and told_of(batches) == []
    server.begin_log_file()
    server.run(f"INSERT INTO {table} VALUES (6, 'x')", "d")
    assert stream.changes() == inserts(table, 6)
    stream.close()
    assert adapter.stream(table, position=stream.position).is_open().changes() == []


def test_a_name_that_is_no_name_any_more_is_missed(server, adapter, table, is_mariadb):
    """Its type is another, where nothing has a checksum: what follows begins without one."""
    server.run("SET GLOBAL binlog_checksum = NONE")
    try:
        start = adapter.stream(table).start
        server.run(f"INSERT INTO {table} VALUES (1, 'x')", "d")
        damage(server, "Gtid", behind=4)
        server.run(f"INSERT INTO {table} VALUES (2, 'x')", "d")
        stream = adapter.stream(table, position=start)
        batches = stream.read_all()
        assert given(batches)[-1:] == inserts(table, 2) and told_of(batches)
        stream.close()
        stream = adapter.stream(table, position=stream.position).is_open()
        server.run(f"INSERT INTO {table} VALUES (3, 'x')", "d")
        batches = stream.read_all()
        assert given(batches) == inserts(table, 3) and told_of(batches) == []
    finally:
        server.run("SET GLOBAL binlog_checksum = CRC32")


def test_a_server_that_finds_damage_in_its_log_itself_says_so(server, adapter, table, is_mariadb):
    """And sends nothing from there on; nor does it once what it has after that is wanted."""
    setting = "master_verify_checksum" if is_mariadb else "source_verify_checksum"
    server.run(f"SET GLOBAL {setting} = ON")
    try:
        start = adapter.stream(table).start
        server.run(f"INSERT INTO {table} VALUES (1, 'x')", "d")
        damage(server, "Gtid")
        error = adapter.stream(table, position=start).error()
        expect(error, "unreachable", "did not pass c", "FLUSH BINARY LOGS", "replicator_resync")
        assert error["retryable"]
        server.begin_log_file()
        later = adapter.stream(table)
        server.run(f"INSERT INTO {table} VALUES (2, 'x')", "d")
        assert later.changes() == inserts(table, 2), "as is said"
    finally:
        server.run(f"SET GLOBAL {setting} = OFF")


def test_damage_before_what_was_read_last_leaves_open_whether_another_server_has_more(server, adapter, table, is_mariadb):
    """One that has taken over, and sends nothing from there on."""
    stream = adapter.stream(table)
    server.run(f"INSERT INTO {table} VALUES (1, 'x')", "d")
    assert stream.changes() == inserts(table, 1)
    damage(server, "Xid")
    server.run(f"INSERT INTO {table} VALUES (2, 'x')", "d")
    assert stream.changes() == inserts(table, 2)
    stream.close()
    kind, _, rest = stream.position.split(" ", 2)
    setting = "master_verify_checksum" if is_mariadb else "source_verify_checksum"
    server.run(f"SET GLOBAL {setting} = ON")
    try:
        later = adapter.stream(table, position=f"{kind} server=00000000-0000-0000-0000-000000000000:0 {rest}")
        assert "cannot be told" in later.is_open().ask("doubt")
    finally:
        server.run(f"SET GLOBAL {setting} = OFF")


def test_a_transaction_whose_name_is_damaged_before_a_crash_is_given(server, adapter, table):
    """Whatever was told of the crash, and put down, before it was read."""
    stream = adapter.stream(table)
    server.run(f"INSERT INTO {table} VALUES (1, 'x')", "d")
    assert stream.changes() == inserts(table, 1)
    stream.close()
    server.run(f"INSERT INTO {table} VALUES (2, 'x')", "d")
    server.kill()
    server.start()
    damage(server, "Gtid", file=-2)
    server.run(f"INSERT INTO {table} VALUES (3, 'x')", "d")
    position, read = stream.position, []

    def all_read():
        nonlocal position
        stream = adapter.stream(table, position=position).is_open()
        batch = stream.read()
        stream.close()
        position = stream.position or position
        read.extend(batch["changes"][:batch["complete"]])
        return inserts(table, 3)[0] in read
    wait_until(all_read, 60, lambda: f"the last: {read}")
    assert read == inserts(table, 2, 3)


def test_a_statement_whose_name_is_damaged_counts(server, adapter, table):
    start = adapter.stream(table).start
    server.run(f"TRUNCATE TABLE {table}", "d")
    damage(server, "Gtid")
    server.run(f"INSERT INTO {table} VALUES (1, 'x')", "d")
    stream = adapter.stream(table, position=start)
    batches = stream.read_all()
    kinds = [change[0] for batch in batches for change in batch["schema"]]
    assert sorted(kinds) == ["truncated", "unread rows"] and given(batches) == inserts(table, 1)


def test_a_transaction_without_an_end_at_the_end_of_a_file_is_told(server, adapter, table):
    """No crash has cut it off: the server has ended the file."""
    start = adapter.stream(table).start
    server.run(f"INSERT INTO {table} VALUES (1, 'x')", "d")
    damage(server, "Xid")
    server.begin_log_file()
    server.run(f"INSERT INTO {table} VALUES (2, 'x')", "d")
    batches = adapter.stream(table, position=start).read_all()
    assert given(batches)[-1:] == inserts(table, 2) and len(told_of(batches)) == 1


def test_what_was_prepared_elsewhere_is_known_after_a_reconnect(server, adapter, table):
    server.run(f"CREATE DATABASE IF NOT EXISTS `other db`; CREATE TABLE IF NOT EXISTS `other db`.`x/y%` (a int); CREATE TABLE late_{table} "
               f"LIKE {table}", "d")
    stream = adapter.stream(table)
    for xid, statement in (("one", "INSERT INTO `other db`.`x/y%` VALUES (1)"), ("two", "INSERT INTO `other db`.`x/y%` VALUES (2)"),
                           ("three", f"INSERT INTO late_{table} VALUES (1, 'x')")):
        server.run(f"XA START '{xid}'; {statement}; XA END '{xid}'; XA PREPARE '{xid}'", "d")
    assert stream.changes() == []
    stream.close()
    again = adapter.stream(table, f"late_{table}", position=stream.position)
    server.run(f"XA COMMIT 'one'; XA ROLLBACK 'two'; INSERT INTO {table} VALUES (7, 'x')", "d")
    batches = again.read_all()
    assert sum((batch["changes"] for batch in batches), []) == inserts(table, 7)
    assert [change for batch in batches for change in batch["schema"]] == []
    server.run("XA COMMIT 'three'", "d")  # of a table that is followed by now
    assert again.schema() == [("altered", f"d.late_{table}", "")]
    assert "prepared" not in again.position


def unread(stream, table, *words):
    """What is said of the table, of which something could not be read, while the stream goes on."""
    batches = stream.read_all()
    found = [entry for batch in batches for entry in batch["unread"]]
    assert [entry["table"] for entry in found] == [f"d.{table}"], batches
    for word in (f"d.{table}", *words):
        assert word in found[0]["text"] + found[0]["hint"], found
    return [change for batch in batches for change in batch["changes"]]


@pytest.mark.parametrize("statement", [
    "UPDATE {0} t LEFT JOIN other_f o ON o.a = t.a SET t.b = 'y'", "INSERT INTO {0} VALUES (3, 'x')", "DELETE FROM {0}",
    "UPDATE view_of_{0} SET b = 'y'",
    "INSERT INTO other_f VALUES (3, 'x')", "BEGIN; DELETE FROM {0}; COMMIT"])
def test_a_statement_instead_of_rows_may_concern_any_table(server, adapter, table, statement):
    """Also where it names one: its triggers and functions, or a view, may reach others."""
    server.run(f"CREATE TABLE IF NOT EXISTS other_f (a int PRIMARY KEY, b varchar(20)); DELETE FROM other_f; INSERT INTO {table} VALUES "
               "(1, 'x'); "
               f"CREATE VIEW view_of_{table} AS SELECT * FROM {table}", "d")
    stream = adapter.stream(table)
    server._client(f"SET SESSION binlog_format = STATEMENT; {statement.format(table)}", "d", check=False)
    server.run(f"REPLACE INTO {table} VALUES (2, 'x')", "d")
    batches = stream.read_all()
    (kind, _, _, text), = [change for batch in batches for change in batch["schema"]]
    assert kind == "unread rows" and "binlog_format = ROW" in text, text
    assert sum((batch["changes"] for batch in batches), []) == inserts(table, 2)


def test_a_deletion_among_rows_is_not_applied_behind_them(server, adapter, table):
    """Statements that are not safe are logged as rows; also what is rolled back, behind a table without transactions."""
    server.run(f"INSERT INTO {table} VALUES (1, 'x'); CREATE TABLE plain_{table} (a int PRIMARY KEY, b varchar(40)) ENGINE=MyISAM", "d")
    stream = adapter.stream(table)
    server.run(f"SET SESSION binlog_format = MIXED; BEGIN; DELETE FROM {table}; INSERT INTO {table} VALUES (5, LEFT(UUID(), 0)); COMMIT",
               "d")
    server._client(f"SET SESSION binlog_format = STATEMENT; BEGIN; DELETE FROM {table}; INSERT INTO plain_{table} VALUES (1, ''); "
                   "ROLLBACK", "d", check=False)
    changes = [change for batch in stream.read_all() for change in batch["schema"]]
    assert changes and {change[0] for change in changes} == {"unread rows"}, changes


def test_what_is_said_of_a_temporary_table_is_not_done_to_the_one_that_it_hides(server, adapter, table):
    stream = adapter.stream(table)
    server.run(f"SET SESSION binlog_format = STATEMENT; CREATE TEMPORARY TABLE {table} (a int); TRUNCATE TABLE {table}", "d")
    server.run(f"TRUNCATE TABLE {table}", "d")
    assert [change[:2] for change in stream.schema()] == [("altered", f"d.{table}"), ("truncated", f"d.{table}")]


def test_a_table_in_memory_that_a_restart_has_emptied_is_read_again(server, adapter, table):
    server.run(f"CREATE TABLE mem_{table} (a int PRIMARY KEY, b varchar(20)) ENGINE=MEMORY; INSERT INTO mem_{table} VALUES (1, 'x')", "d")
    stream = adapter.stream(table, f"mem_{table}")
    position = stream.start
    stream.close()
    server.restart()
    server.run(f"SELECT * FROM mem_{table}", "d")
    again = adapter.stream(table, f"mem_{table}", position=position)
    (told,) = again.schema()
    assert told[0] in ("altered", "truncated") and told[1] == f"d.mem_{table}", told


def test_statements_within_a_distributed_transaction_count_when_it_is_committed(server, adapter, table):
    stream = adapter.stream(table)
    for xid, sql in (("gone", f"DELETE FROM {table}"), ("kept", f"INSERT INTO {table} VALUES (1, 'x')")):
        server.run(f"SET SESSION binlog_format = STATEMENT; XA START '{xid}'; {sql}; XA END '{xid}'; XA PREPARE '{xid}'", "d")
    batches = stream.read_all()
    assert not any(batch["schema"] or batch["unread"] for batch in batches)
    server.run("XA COMMIT 'kept'", "d")
    assert stream.schema() == [("altered", f"d.{table}", "")]
    server.run("XA ROLLBACK 'gone'", "d")
    assert stream.schema() == []


def test_an_event_without_a_column_of_the_key_concerns_its_table(server, adapter, table):
    """Its structure is of a later time."""
    old = adapter.stream(table)
    server.run(f"CREATE TABLE with_{table} (a int PRIMARY KEY, b varchar(20)); INSERT INTO {table} VALUES (1, 'x'); "
               f"INSERT INTO with_{table} VALUES (1, 'x'); ALTER TABLE {table} CHANGE a id int", "d")
    late = adapter.stream(table, f"with_{table}", position=old.start)
    assert unread(late, table, "of another structure", "\"id\" of the key", "position ") == inserts(f"with_{table}", 1)


@pytest.mark.parametrize("setting, value", [("binlog_row_image", "MINIMAL"), ("binlog_row_metadata", "MINIMAL"),
                                            ("binlog_row_value_options", "PARTIAL_JSON")])
def test_incomplete_rows_concern_their_table(server, adapter, table, is_mariadb, setting, value):
    if setting == "binlog_row_value_options" and is_mariadb:
        pytest.skip("MariaDB has no partial JSON")
    column = "json" if setting == "binlog_row_value_options" else "text"
    server.run(f"""ALTER TABLE {table} ADD COLUMN c {column}; INSERT INTO {table} VALUES (1, 'x', '{{"a": "{'x' * 1000}", "b": 1}}')""",
               "d")
    server.run("CREATE TABLE IF NOT EXISTS other_g (a int PRIMARY KEY, b varchar(20)); DELETE FROM other_g", "d")
    stream = adapter.stream(table, "other_g")
    update = "c = JSON_SET(c, '$.b', 2)" if column == "json" else "c = 'y'"
    before = server.value(f"SELECT @@GLOBAL.{setting}")
    server.run(f"SET GLOBAL {setting} = '{value}'")
    try:
        server.run(f"SET SESSION {setting} = '{value}'; UPDATE {table} SET {update}" if setting != "binlog_row_metadata"
                   else f"UPDATE {table} SET {update}", "d")
    finally:
        server.run(f"SET GLOBAL {setting} = '{before}'")
    server.run("INSERT INTO other_g VALUES (1, 'x')", "d")
    assert unread(stream, table, setting) == inserts("other_g", 1)


def test_a_second_reader_with_the_same_id_is_named(server, adapter, table):
    stream = adapter.stream(table, reader_id=4711)
    assert stream.read()["end"] in (True, False)
    assert stream.ask(f"reopen {stream.start}") == "opened"
    error = stream.error()
    assert error["retryable"], error
    expect(error, "thrown out" if error["error"] == KIND["thrown out"] else "unreachable", "server_id")


def test_an_account_without_the_privilege(server, adapter, table):
    server.run("DROP USER IF EXISTS poor@'127.0.0.1', poor@localhost")
    server.create_user("poor", "pw", "SELECT ON *.*")
    error = adapter.stream(table, url=server.url(user="poor", password="pw")).error()
    assert error["error"] == 2, error
    assert "REPLICATION SLAVE" in error["hint"]
    check = {check["name"]: check for check in adapter.call("check", url=server.url(user="poor", password="pw"))}["replication_slave"]
    assert not check["ok"]
    server.run(check["hint"].removeprefix("Run at the source: "))
    assert {check["name"]: check for check in adapter.call("check", url=server.url(user="poor", password="pw"))}["replication_slave"]["ok"]


def test_a_privilege_by_role_is_seen(server, adapter, is_mariadb):
    if is_mariadb:
        pytest.skip("MariaDB shows the privileges of roles")
    server.run("DROP USER IF EXISTS rolled@'127.0.0.1', rolled@localhost; DROP ROLE IF EXISTS reader; CREATE ROLE reader; "
               "GRANT REPLICATION SLAVE ON *.* TO reader")
    server.create_user("rolled", "pw", "SELECT ON *.*")
    server.run("GRANT reader TO rolled@'127.0.0.1', rolled@localhost; SET DEFAULT ROLE ALL TO rolled@'127.0.0.1', rolled@localhost")
    check = {check["name"]: check for check in adapter.call("check", url=server.url(user="rolled", password="pw"))}["replication_slave"]
    assert check["ok"], check


@pytest.fixture(params=[MariaDbServer, MySqlServer], ids=["mariadb", "mysql"])
def bare(request):
    """A server as it is installed, without what a stream needs."""
    class Bare(request.param):
        def defaults(self):
            return {} if self.flavour == "MariaDB" else {"gtid-mode": "OFF"}
    try:
        instance = Bare()
    except UnavailableServer as reason:
        pytest.skip(str(reason))
    yield instance
    instance.destroy()


def test_a_server_as_it_is_installed_is_told_what_it_needs(bare):
    adapter = Adapter(bare)
    checks = {check["name"]: check for check in adapter.call("check")}
    wanted = {"log_bin", "binlog_format", "binlog_row_metadata"} if bare.flavour == "MariaDB" else {"gtid_mode", "binlog_row_metadata"}
    assert {name for name, check in checks.items() if not check["ok"] and check["severity"] == 0} == wanted
    for name in wanted:
        assert name in checks[name]["hint"], checks[name]
    from conftest import Stream
    stream = Stream(adapter.command(bare.url(), "stream", 5))
    assert stream.ask("low")["error"] == KIND["unsupported"]


def test_a_server_that_is_set_up_passes_every_check(adapter):
    failed = [check for check in adapter.call("check") if not check["ok"] and check["severity"] == 0]
    assert failed == []


@pytest.fixture(scope="module", params=[MariaDbServer, MySqlServer], ids=["mariadb", "mysql"])
def leaky(request):
    """Logs neither what it replicates nor a database."""
    try:
        instance = request.param({"log-slave-updates" if request.param is MariaDbServer else "log-replica-updates": "OFF",
                                  "binlog-ignore-db": "aside"})
    except UnavailableServer as reason:
        pytest.skip(str(reason))
    instance.run("CREATE DATABASE d; CREATE DATABASE aside; CREATE TABLE d.t (a int PRIMARY KEY)")
    yield instance
    instance.destroy()


def gaps(server, database="d"):
    checks = {check["name"]: check for check in Adapter(server).call("check", url=server.url(database))}
    return {name: (check["ok"], check["severity"], check["detail"] + check["hint"]) for name, check in checks.items()
            if name in ("log_slave_updates", "log_replica_updates", "binlog_filters")}


def test_what_a_server_leaves_out_of_its_log_is_said(leaky):
    is_mariadb = leaky.flavour == "MariaDB"
    replica = "log_slave_updates" if is_mariadb else "log_replica_updates"
    if is_mariadb:
        assert gaps(leaky)[replica][:2] == (True, 0), "a server that is no replica"
        leaky.run("SET GLOBAL gtid_slave_pos = '0-99-5'")
    found = gaps(leaky)
    assert found[replica][:2] == (False, 0) and "Follow the primary" in found[replica][2]
    assert found["binlog_filters"][:2] == (False, 2), "an account that may not see them"
    refused = Adapter(leaky).stream("t")
    assert refused.opened["error"] == KIND["unsupported"] and replica in refused.opened["detail"]
    leaky.run("GRANT " + ("BINLOG MONITOR, REPLICA MONITOR" if is_mariadb else "REPLICATION CLIENT")
              + " ON *.* TO replicator@'127.0.0.1', replicator@localhost")
    found = gaps(leaky)
    assert found["binlog_filters"][:2] == (False, 1) and "aside" in found["binlog_filters"][2]
    found = gaps(leaky, "aside")
    assert found["binlog_filters"][:2] == (False, 0) and "`aside`" in found["binlog_filters"][2]
    if is_mariadb:
        assert found[replica][0], "it was a replica, and is none any more"
