"""What is in a SQLite file arrives, value for value, under the right id."""
import os
import pathlib
import shutil
import sqlite3

import pytest

CHINOOK = pathlib.Path(__file__).resolve().parents[3] / "shared/data/chinook/Chinook_Sqlite.sqlite"


def test_every_storage_class_and_edge_value_arrives(cluster, database, source, assert_equal):
    def fill(connection):
        values = [0, -1, 9, 9999, 10000, -10000, 2**63 - 1, -2**63, 0.0, -0.0, 5.0, 0.1, 1e20, 1e-7, 5e-324,
                  1.7976931348623157e308, float("inf"), float("-inf"), "", "text", "\u00e9\u4e2d\U0001f600", "a\x01b",
                  'quo"te\\', b"", b"\x00\xff", b"x" * 100_000, "y" * 300_000, None, "true", "12", "{", "sha256:x"]
        connection.execute("CREATE TABLE v (id INTEGER PRIMARY KEY, x)")
        connection.executemany("INSERT INTO v (x) VALUES (?)", [(v,) for v in values])
        connection.execute("INSERT INTO v (x) VALUES (CAST(x'61ff62' AS TEXT)), (CAST(x'610062' AS TEXT))")
    path = database("v.db", fill)
    source(path, "values")
    cluster.wait_for_copy("values")
    assert_equal(path, "values")
    assert cluster.query("SELECT tagged_values FROM replicator_tables WHERE source = 'values'")[0][0] == 8


def test_keys_of_every_kind_give_distinct_readable_ids(cluster, database, source, assert_equal):
    path = database(
        "k.db",
        "CREATE TABLE by_rowid (a); INSERT INTO by_rowid (rowid, a) VALUES (0, 'zero'), (-7, 'minus'), "
        "(9223372036854775807, 'most'), (-9223372036854775808, 'least');",
        "CREATE TABLE text_key (k TEXT PRIMARY KEY, v); INSERT INTO text_key VALUES "
        "('a', 1), ('7', 2), (x'61', 3), (NULL, 4), (NULL, 5), ('', 6), ('null', 7), ('{\"rowid\":4}', 8), (1.5, 9);",
        "CREATE TABLE int_key (k INT PRIMARY KEY, v); INSERT INTO int_key VALUES (1, 'int'), ('x', 'text'), (2.5, 'real');",
        "CREATE TABLE composite (a TEXT, b INT, v, PRIMARY KEY (b, a)); "
        "INSERT INTO composite VALUES ('x', 1, 1), ('1', 1, 2), ('1', 'one', 3), (NULL, 1, 4);",
        "CREATE TABLE no_rowid (a TEXT, b INT, v, PRIMARY KEY (a, b)) WITHOUT ROWID; "
        "INSERT INTO no_rowid VALUES ('x', 2, 1), ('y', 1, 2), ('x', 1, 3), (x'00', 1, 4);",
        "CREATE TABLE descending (a TEXT COLLATE NOCASE, b INT, PRIMARY KEY (a DESC, b)) WITHOUT ROWID; "
        "INSERT INTO descending VALUES ('A', 1), ('a', 2), ('b', 1);",
        "CREATE TABLE shadowed (rowid TEXT, _rowid_ TEXT, v); INSERT INTO shadowed VALUES ('r', 's', 1), ('r', 's', 2);",
        "CREATE TABLE strict_text (k TEXT PRIMARY KEY, v ANY) STRICT; INSERT INTO strict_text VALUES ('7', 1), ('{', 2), ('true', 3);",
        "CREATE TABLE long_key (k TEXT PRIMARY KEY); INSERT INTO long_key VALUES "
        "(replace(hex(zeroblob(600)), '00', 'ab')), (replace(hex(zeroblob(600)), '00', 'ac'));")
    source(path, "keys")
    cluster.wait_for_copy("keys")
    assert_equal(path, "keys")
    assert cluster.query("SELECT id FROM keys.text_key WHERE data->>'v' = '2'") == [('"7"',)]
    assert cluster.query("SELECT id FROM keys.strict_text WHERE data->>'v' = '1'") == [("7",)]


def test_odd_tables_and_names_are_copied(cluster, database, source, assert_equal):
    path = database(
        "o.db",
        'CREATE TABLE "we ird""na.me-é" ("co l""x" INT, "$oid" TEXT); INSERT INTO "we ird""na.me-é" VALUES (1, 2);',
        'CREATE TABLE only_tag ("$binary" TEXT); INSERT INTO only_tag VALUES (1);',
        "CREATE TABLE generated (a INT, b INT AS (a * 2) STORED, c INT AS (a + 1) VIRTUAL); INSERT INTO generated (a) VALUES (3);",
        "CREATE TABLE empty (a);",
        "CREATE TABLE " + "n" * 80 + " (a INTEGER PRIMARY KEY); INSERT INTO " + "n" * 80 + " VALUES (1);",
        "CREATE TABLE wide (" + ", ".join(f"c{i} INT DEFAULT {i}" for i in range(1000)) + "); INSERT INTO wide (c0) VALUES (0);")
    source(path, "odd")
    cluster.wait_for_copy("odd")
    assert_equal(path, "odd", ['we ird"na.me-é', "only_tag", "generated", "empty", "wide"])
    target = cluster.query("SELECT target FROM replicator_tables WHERE \"table\" = %s", ("n" * 80,))[0][0]
    assert target.startswith("odd." + "n" * 54 + "_") and len(target) == len("odd.") + 63
    assert cluster.query(f"SELECT id FROM {target}") == [("1",)]


def test_what_cannot_be_copied_is_listed_with_its_reason(cluster, database, source):
    path = database("u.db", "CREATE TABLE t (a); CREATE VIEW v AS SELECT * FROM t;"
                            "CREATE VIRTUAL TABLE f USING fts5(x); CREATE VIRTUAL TABLE r USING rtree(id, a, b);")
    source(path, "unsupported")
    cluster.wait_for_copy("unsupported")
    rows = dict(cluster.query("SELECT \"table\", state FROM replicator_tables WHERE source = 'unsupported'"))
    assert rows["t"] == "idle"
    assert {rows[name] for name in ("f", "r", "f_data", "r_node")} == {"unsupported"} and rows["v"] == "excluded"
    assert cluster.query("SELECT count(*) FROM replicator_tables WHERE source = 'unsupported' AND state = 'unsupported' "
                         "AND coalesce(reason, '') = ''")[0][0] == 0


@pytest.mark.parametrize("encoding", ["UTF-16le", "UTF-16be"])
def test_utf16_databases_are_read_as_utf8(cluster, database, source, assert_equal, encoding):
    path = database("e.db", "CREATE TABLE t (k TEXT PRIMARY KEY, é); INSERT INTO t VALUES ('ключ', '中\U0001f600');",
                    encoding=f"'{encoding}'")
    source(path, "utf16")
    cluster.wait_for_copy("utf16")
    assert_equal(path, "utf16")


def test_a_real_database_arrives_whole(cluster, files, source, assert_equal):
    if not CHINOOK.exists():
        pytest.skip(f"{CHINOOK} is not there")
    path = files / "chinook.sqlite"
    shutil.copy(CHINOOK, path)
    os.chmod(path, 0o666)
    source(path, "chinook")
    cluster.wait_for_copy("chinook")
    assert_equal(path, "chinook")


def test_a_value_above_the_limit_is_set_aside_and_the_rest_goes_on(cluster, database, source):
    path = database("big.db", "CREATE TABLE t (id INTEGER PRIMARY KEY, x BLOB); "
                              "INSERT INTO t VALUES (1, 'a'), (2, zeroblob(270000000)), (3, 'b');")
    source(path, "big")
    cluster.wait_for_copy("big")
    assert cluster.query("SELECT id FROM big.t ORDER BY id") == [("1",), ("3",)]
    assert cluster.query("SELECT \"table\", key, sqlstate, tries FROM replicator_quarantine WHERE source = 'big'") == [
        ("t", "2", "54000", 1)]
    assert cluster.status("big")["quarantined"] == 1
    connection = sqlite3.connect(path, timeout=240)
    connection.execute("UPDATE t SET x = 'small' WHERE id = 2")
    connection.commit()
    connection.close()
    cluster.query("CALL replicator_wait('big', '240 s')")
    assert cluster.query("SELECT count(*) FROM big.t")[0][0] == 3
    assert cluster.status("big")["quarantined"] == 0
