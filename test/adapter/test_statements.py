"""Statements in the log that are hard to read: dialects, charsets, and what changes rows without row events."""
import itertools
import subprocess

import pytest
from expected import n


numbers = itertools.count()


@pytest.fixture
def table(server):
    name = f"t{next(numbers)}"
    server.run(f"CREATE TABLE {name} (a int PRIMARY KEY, b varchar(20))", "d")
    return name


def altered(*tables):
    return [("altered", f"d.{table}", "") for table in tables]


def run_bytes(server, sql, charset, *options):
    """Statements in bytes of a charset, by a session that says so."""
    result = subprocess.run([*server.client, "--no-defaults", f"--socket={server.socket}", "-uroot", "--batch",
                             f"--default-character-set={charset}", *options, "d"], input=sql, capture_output=True)
    assert result.returncode == 0 or "--force" in options, result.stderr
    return result.stdout


def test_dialects_of_mariadb(server, adapter, table, is_mariadb):
    if not is_mariadb:
        pytest.skip("MySQL has no such syntax")
    stream = adapter.stream(table)
    server.run(f"TRUNCATE TABLE .{table}; SET sql_mode = 'MSSQL'; ALTER TABLE [{table}] ADD COLUMN [c]]d] int; CREATE TABLE [d].[a b] (a "
               "int); "
               "DROP TABLE [a b]", "d")
    assert stream.schema() == [("truncated", f"d.{table}", ""), *altered(table), ("created", "d.a b", ""), ("dropped", "d.a b", "")]


def test_rows_of_analyze_update_in_statement_format_may_concern_any_table(server, adapter, table, is_mariadb):
    if not is_mariadb:
        pytest.skip("MySQL's ANALYZE changes no rows")
    server.run(f"INSERT INTO {table} VALUES (1, 'x')", "d")
    stream = adapter.stream(table)
    server.run(f"SET binlog_format = STATEMENT; ANALYZE UPDATE {table} SET b = 'y'", "d")
    (kind, name, _, text), = [change for batch in stream.read_all() for change in batch["schema"]]
    assert (kind, name) == ("unread rows", f"d.{table}") and "ANALYZE UPDATE" in text


def test_rows_of_a_function_in_statement_format_may_concern_any_table(server, adapter, table):
    server.run(f"SET GLOBAL log_bin_trust_function_creators = 1; DROP FUNCTION IF EXISTS change_it; INSERT INTO {table} VALUES (1, 'x');\n"
               f"DELIMITER //\nCREATE FUNCTION change_it() RETURNS int DETERMINISTIC BEGIN UPDATE {table} SET b = 'y'; RETURN 1; END//\n",
               "d")
    stream = adapter.stream(table)
    server.run("SET binlog_format = STATEMENT; (SELECT change_it())", "d")
    (kind, name, _, text), = [change for batch in stream.read_all() for change in batch["schema"]]
    assert (kind, name) == ("unread rows", ".") and "holds the statement only" in text and "change_it" in text


def test_a_statement_that_is_not_understood_is_handed_on(server, adapter, table):
    """Its text fits neither the session's charset nor UTF-8."""
    stream = adapter.stream(table, url=adapter.server.url("d"))
    server.run("CREATE DATABASE IF NOT EXISTS elsewhere; CREATE TABLE IF NOT EXISTS elsewhere.t (a int)")
    run_bytes(server, b"ALTER TABLE %s ADD COLUMN c varbinary(3) DEFAULT _binary'\xff\xfe\x80'" % table.encode(), "sjis")
    run_bytes(server, b"USE elsewhere; TRUNCATE TABLE t; ALTER TABLE t COMMENT 'about d'", "sjis")
    server.run(f"INSERT INTO {table} (a, b) VALUES (1, 'x')", "d")
    batches = stream.read_all()
    (kind, name, _, statement), unknown_column = [change for batch in batches for change in batch["schema"]]
    assert unknown_column[:2] == ["redefined", f"d.{table}"], "the row has it"
    assert (kind, name) == ("not understood", "d.") and statement
    run_bytes(server, b"ALTER TABLE `%s` COMMENT 'x'" % table.encode(), "swe7")  # where the quotes of names are letters, too
    assert stream.schema() == [("not understood", "d.", "")]
    assert [change[2][0] for batch in batches for change in batch["changes"]] == [n(1)]


@pytest.mark.parametrize("charset, name, encoding", [("latin1", "ärger", "latin1"), ("gbk", "中文", "gbk"), ("sjis", "表日", "shift_jis"),
                                                     ("cp1251", "Ещё", "cp1251"), ("big5", "中文", "big5"), ("gb18030", "中€文", "gb18030")])
def test_names_in_what_the_server_writes_itself(server, adapter, table, is_mariadb, charset, name, encoding):
    """CREATE TABLE … SELECT, and LIKE a temporary table, are UTF-8 in the log, whatever charset the session has."""
    if is_mariadb and charset == "gb18030":
        pytest.skip("MariaDB has no gb18030")
    name += str(next(numbers))
    stream = adapter.stream(table)
    run_bytes(server, (f"CREATE TABLE `{name}s` SELECT * FROM {table}; CREATE TEMPORARY TABLE x (a int); CREATE TABLE `{name}l` LIKE x; "
                       f"ALTER TABLE `{name}s` ADD COLUMN c int; RENAME TABLE `{name}s` TO `{name}r`; DROP TABLE `{name}r`, "
                       f"`{name}l`").encode(encoding), charset)
    told = [change for change in stream.schema() if "?" not in change[1]]
    created, rest = told[:-4], told[-4:]
    for made in ("s", "l"):  # with other readings of the same bytes
        assert {("altered", f"d.{name}{made}", ""), ("created", f"d.{name}{made}", "")} & set(created), told
    assert rest == [("altered", f"d.{name}s", ""), ("renamed", f"d.{name}s", f"d.{name}r"), ("dropped", f"d.{name}r", ""),
                    ("dropped", f"d.{name}l", "")]


def test_what_takes_rows_away_without_row_events_alters(server, adapter, table):
    server.run(f"DROP TABLE {table}; CREATE TABLE {table} (a int PRIMARY KEY, b int) PARTITION BY LIST (a) (PARTITION p0 VALUES IN (1, 2, "
               "3), PARTITION "
               f"p1 VALUES IN (4)); INSERT INTO {table} VALUES (1, 1), (3, 3); DROP TABLE IF EXISTS mended; CREATE TABLE mended (a int) "
               "ENGINE=MyISAM", "d")
    stream = adapter.stream(table)
    server.run(f"ALTER TABLE {table} REORGANIZE PARTITION p0 INTO (PARTITION p0 VALUES IN (1, 2)); ALTER TABLE {table} REBUILD PARTITION "
               "p1; "
               f"REPAIR TABLE mended; OPTIMIZE TABLE mended; ALTER TABLE {table} REMOVE PARTITIONING", "d")
    assert server.query(f"SELECT a FROM {table}", "d") == [["1"]]
    assert stream.schema() == altered(table, table) + [("maintained", "d.mended", "")] * 2


def test_alter_ignore_alters(server, adapter, table, is_mariadb):
    if not is_mariadb:
        pytest.skip("MySQL has no ALTER IGNORE")
    server.run(f"INSERT INTO {table} VALUES (1, 'x'), (3, 'x')", "d")
    stream = adapter.stream(table)
    server.run(f"ALTER IGNORE TABLE {table} PARTITION BY LIST (a) (PARTITION p0 VALUES IN (1, 2))", "d")
    assert server.query(f"SELECT a FROM {table}", "d") == [["1"]]
    assert stream.schema() == altered(table)


def test_an_alter_in_two_phases_counts_when_it_has_ended(server, adapter, table, is_mariadb):
    if not is_mariadb or server.version() < (10, 8):
        pytest.skip("MariaDB has it from 10.8 on")
    server.run(f"INSERT INTO {table} VALUES (1, 'x'), (2, 'x')", "d")
    stream = adapter.stream(table)
    server.run(f"SET binlog_alter_two_phase = 1; ALTER TABLE {table} ADD COLUMN w int DEFAULT 5, ALGORITHM=COPY; INSERT INTO {table} "
               "VALUES (3, 'y', 6)", "d")
    with pytest.raises(AssertionError, match="Duplicate"):
        server.run(f"SET binlog_alter_two_phase = 1; ALTER TABLE {table} ADD UNIQUE (w), ALGORITHM=COPY", "d")
    server.run(f"INSERT INTO {table} VALUES (4, 'y', 7)", "d")
    batches = stream.read_all()
    # Nobody tells the stream what has become of the table: rows with the new column have it looked at.
    assert [tuple(change[:3]) for batch in batches for change in batch["schema"]] == [*altered(table), ("redefined", f"d.{table}", "")]
    # Without the new column, until the stream is told to follow the table with it.
    assert [change[2] for batch in batches for change in batch["changes"]] == [[n(3), "y"], [n(4), "y"]]


def test_create_if_not_exists_tells_that_it_may_be_nothing(server, adapter, table, is_mariadb):
    stream = adapter.stream(table)
    server.run(f"CREATE TABLE IF NOT EXISTS {table} (a int PRIMARY KEY); CREATE TABLE IF NOT EXISTS {table}_new (a int)", "d")
    nothing = [] if is_mariadb else [("created if absent", f"d.{table}", "")]  # MariaDB does not log it
    assert stream.schema() == nothing + [("created if absent", f"d.{table}_new", "")]


def test_blanks_are_those_of_the_sessions_charset(server, adapter, table):
    """In latin1 the no-break space separates words, in UTF-8 it is part of a name: the server says which bytes do so where."""
    stream = adapter.stream(table)
    asked, blanks = b"".join(b"SELECT%c%d;\n" % (byte, byte) for byte in range(0x80, 0x100)), 0
    for charset, in server.query("SELECT character_set_name FROM information_schema.character_sets WHERE maxlen = 1 AND character_set_name "
                                 "<> 'binary'"):
        for byte in map(int, run_bytes(server, asked, charset, "--force", "--skip-column-names").split()):
            run_bytes(server, b"TRUNCATE TABLE%c%s --%c" % (byte, table.encode(), byte), charset)
            blanks += 1
    assert blanks > 10 and stream.schema() == [("truncated", f"d.{table}", "")] * blanks
