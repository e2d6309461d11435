"""Comparing with the source, and mending what differs."""
import contextlib
import os
import sqlite3
import threading

import psycopg2
import pytest

from private_cluster import wait_until
from observing import finished, flip_one_bit, repair, verify


def differing(row):
    return row["changed"] + row["missing"] + row["extra"]


@pytest.mark.parametrize("wal", [False, True])
def test_equal_sides_have_no_difference(cluster, copied, wal):
    copied("equal", wal=wal)
    row = verify(cluster, "equal")["t"]
    assert row["state"] == "done" and row["compared"] == 20_000
    assert differing(row) == row["unconfirmed"] == 0


def test_a_single_flipped_bit_is_found_and_mended(cluster, copied, assert_equal):
    path = copied("flipped")
    flip_one_bit(cluster, "flipped", "12345")
    row = verify(cluster, "flipped")["t"]
    assert (row["state"], row["changed"], row["missing"], row["extra"], row["repaired"]) == ("done", 1, 0, 0, 0)
    job = cluster.query("SELECT max(job) FROM replicator_differences WHERE source = 'flipped'")[0][0]
    assert cluster.query("SELECT key, difference, repaired FROM replicator_differences WHERE job = %s", (job,)) == [
        ("12345", "changed", False)]
    before = cluster.query("SELECT xmin FROM flipped.t WHERE id = '1'")
    row = repair(cluster, "flipped", "t")
    assert row["repaired"] == 1, row
    assert_equal(path, "flipped")
    assert cluster.query("SELECT xmin FROM flipped.t WHERE id = '1'") == before, "an equal row was written"
    assert differing(verify(cluster, "flipped")["t"]) == 0


def test_numbers_that_are_equal_but_written_differently_differ(cluster, database, source):
    path = database("scale.db", "CREATE TABLE t (id INTEGER PRIMARY KEY, v REAL); INSERT INTO t VALUES (1, 1.5);")
    source(path, "scale")
    cluster.wait_for_copy("scale")
    cluster.query("UPDATE scale.t SET data = '{\"v\": 1.50, \"id\": 1}'")
    assert verify(cluster, "scale")["t"]["changed"] == 1


def test_missing_changed_and_extra_rows_are_told_apart_and_mended(cluster, copied, assert_equal):
    path = copied("mixed")
    cluster.query("DELETE FROM mixed.t WHERE id::int % 5000 = 1")
    cluster.query("UPDATE mixed.t SET data = '{}' WHERE id::int % 5000 = 2")
    cluster.query("INSERT INTO mixed.t SELECT 'x' || i, '{}', now() - interval '1 hour' FROM generate_series(1, 7) i")
    row = verify(cluster, "mixed")["t"]
    assert (row["changed"], row["missing"], row["extra"]) == (4, 4, 7)
    row = repair(cluster, "mixed", "t")
    assert row["repaired"] == 15
    assert_equal(path, "mixed")


def test_a_target_emptied_by_hand_is_filled_again(cluster, copied, assert_equal):
    path = copied("emptied")
    cluster.query("TRUNCATE emptied.t")
    assert verify(cluster, "emptied")["t"]["missing"] == 20_000
    assert cluster.query("SELECT count(*) FROM replicator_differences WHERE source = 'emptied'") == [(1000,)]
    assert repair(cluster, "emptied", "t")["repaired"] == 20_000
    assert_equal(path, "emptied")


def test_changes_that_are_not_copied_yet_are_no_differences(cluster, copied):
    path = copied("behind")
    connection = sqlite3.connect(path, timeout=240)
    connection.execute("UPDATE t SET a = -1 WHERE id <= 10")
    connection.execute("DELETE FROM t WHERE id = 20")
    connection.commit()
    connection.close()
    row = verify(cluster, "behind")["t"]
    assert row["state"] == "behind" and differing(row) == 0 and row["unconfirmed"] == 11
    assert "replicator_sync" in row["hint"]
    row = repair(cluster, "behind", "t")
    assert row["state"] == "behind" and row["repaired"] == 0
    cluster.query("CALL replicator_wait('behind', '240 s')")
    row = verify(cluster, "behind")["t"]
    assert row["state"] == "done" and row["unconfirmed"] == 0


def test_a_writer_at_work_makes_no_false_difference(cluster, database, source, many_rows):
    path = database("busy.db", many_rows(20_000), wal=True)
    source(path, "busy", mode="periodic", refresh_interval="1 second")
    wait_until(lambda: cluster.status("busy")["lag"], 240, "the first copy")
    stop = threading.Event()

    def write():
        connection = sqlite3.connect(path, timeout=240)
        number = 0
        while not stop.is_set():
            number += 1
            connection.execute("UPDATE t SET a = ? WHERE id % 97 = ?", (number, number % 97))
            connection.execute("INSERT OR REPLACE INTO t (id, a) VALUES (?, 1)", (100_000 + number,))
            connection.execute("DELETE FROM t WHERE id = ?", (100_000 + number // 2,))
            connection.commit()
        connection.close()
    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(5):
            row = verify(cluster, "busy")["t"]
            assert row["error"] is None and differing(row) == 0
    finally:
        stop.set()
        writer.join()
    cluster.query("SELECT replicator_alter('busy', mode => 'once')")


def test_a_difference_is_found_beside_a_writer_of_other_rows(cluster, database, source, many_rows):
    """With the position reached again by a refresh, what still differs is reported."""
    path = database("mended.db", many_rows(5000))
    source(path, "mended")
    cluster.wait_for_copy("mended")
    cluster.query("ALTER TABLE mended.t ADD CONSTRAINT small CHECK ((data->>'a')::int >= 0)")
    connection = sqlite3.connect(path, timeout=240)
    connection.execute("UPDATE t SET a = -1 WHERE id = 7")
    connection.commit()
    connection.close()
    cluster.query("CALL replicator_wait('mended', '240 s')")
    row = verify(cluster, "mended")["t"]
    assert row["state"] == "done" and row["quarantined"] == 1 and differing(row) == 0
    cluster.query("ALTER TABLE mended.t DROP CONSTRAINT small")


def test_tables_of_every_kind_of_key_are_compared(cluster, database, source, assert_equal):
    path = database(
        "keys.db",
        "CREATE TABLE texts (k PRIMARY KEY, v); INSERT INTO texts VALUES ('', 1), ('a', 2), (NULL, 3), ('1', 4), (1, 5);"
        "CREATE TABLE pairs (a TEXT, b INT, v, PRIMARY KEY (a, b)) WITHOUT ROWID; INSERT INTO pairs VALUES ('x', 1, 1), ('x', 2, 2);"
        "CREATE TABLE keyless (v); INSERT INTO keyless VALUES (1), (1), (NULL);"
        "CREATE TABLE empty (id INTEGER PRIMARY KEY);")
    source(path, "keys")
    cluster.wait_for_copy("keys")
    rows = verify(cluster, "keys")
    assert {name: (row["state"], row["compared"], differing(row)) for name, row in rows.items()} == {
        "texts": ("done", 5, 0), "pairs": ("done", 2, 0), "keyless": ("done", 3, 0), "empty": ("done", 0, 0)}
    for table in rows:
        cluster.query(f"DELETE FROM keys.{table}")
        cluster.query(f"INSERT INTO keys.{table} VALUES ('zzz', '{{}}', '-infinity')")
        repair(cluster, "keys", table)
    assert_equal(path, "keys")


def test_differences_deep_in_tables_that_are_read_along_their_key(cluster, database, source, assert_equal):
    rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) SELECT i % 7, 'k' || i, i FROM n"
    path = database("deep.db", f"CREATE TABLE pairs (a INT, b TEXT, v, PRIMARY KEY (a, b)) WITHOUT ROWID; INSERT INTO pairs {rows};"
                    f"CREATE TABLE texts (a, b TEXT PRIMARY KEY, v); INSERT INTO texts {rows};")
    source(path, "deep")
    cluster.wait_for_copy("deep")
    cluster.query("UPDATE deep.pairs SET data = '{}' WHERE id LIKE '%77%'; DELETE FROM deep.texts WHERE id LIKE '%99'")
    rows = verify(cluster, "deep")
    assert rows["pairs"]["changed"] == cluster.query("SELECT count(*) FROM deep.pairs WHERE data = '{}'")[0][0] > 100
    assert rows["texts"]["missing"] == 100
    assert repair(cluster, "deep", "pairs")["repaired"] == rows["pairs"]["changed"]
    assert repair(cluster, "deep", "texts")["repaired"] == 100
    assert_equal(path, "deep")


def test_a_row_that_the_target_refuses_is_set_aside_by_a_repair(cluster, copied, assert_equal):
    path = copied("refusing")
    cluster.query("DELETE FROM refusing.t WHERE id IN ('5', '6', '7')")
    cluster.query("ALTER TABLE refusing.t ADD CONSTRAINT no_six CHECK (id <> '6')")
    row = repair(cluster, "refusing", "t")
    assert row["missing"] == 3 and row["repaired"] == 2
    assert cluster.query("SELECT key, sqlstate FROM replicator_quarantine WHERE source = 'refusing'") == [("6", "23514")]
    cluster.query("ALTER TABLE refusing.t DROP CONSTRAINT no_six")
    assert cluster.query("SELECT row_key, stored FROM replicator_replay('refusing')") == [("6", True)]
    assert_equal(path, "refusing")


def test_a_row_that_has_grown_too_large_keeps_its_old_version_and_its_key(cluster, database, source):
    """Whether it is read by a refresh, a comparison or a repair."""
    path = database("grown.db", "CREATE TABLE t (n INT, doc AS (printf('%.*c', n, 'x')), k TEXT PRIMARY KEY); "
                                "INSERT INTO t VALUES (1, 'abc'), (2, 'def')")
    source(path, "grown")
    cluster.wait_for_copy("grown")
    rows = cluster.query("SELECT * FROM grown.t ORDER BY id")
    assert [row[0] for row in rows] == ["abc", "def"]
    with contextlib.closing(sqlite3.connect(path, timeout=240)) as file:
        file.execute("UPDATE t SET n = 300000000 WHERE k = 'abc'")
        file.commit()
    cluster.query("CALL replicator_wait('grown', '240 s')")
    for read_by in (lambda: {"extra": 0}, lambda: verify(cluster, "grown")["t"], lambda: repair(cluster, "grown", "t")):
        assert read_by()["extra"] == 0
        assert cluster.query("SELECT * FROM grown.t ORDER BY id") == rows
        assert cluster.query("SELECT key, sqlstate FROM replicator_quarantine WHERE source = 'grown'") == [("abc", "54000")]


def test_a_table_named_twice_is_compared_once(cluster, database, source, many_rows):
    path = database("twice.db", many_rows(100), "CREATE TABLE u (id INTEGER PRIMARY KEY)")
    source(path, "twice")
    cluster.wait_for_copy("twice")
    rows = verify(cluster, "twice", ["t", "u", "t", "main.t"])
    assert {name: (row["state"], row["compared"]) for name, row in rows.items()} == {"t": ("done", 100), "u": ("done", 0)}


def aside(cluster, name):
    return cluster.query("SELECT key, operation FROM replicator_quarantine WHERE source = %s ORDER BY 1", (name,))


def test_a_repair_that_would_set_too_many_rows_aside_fails_and_changes_nothing(cluster, database, source, many_rows, assert_equal):
    path = database("crowded.db", many_rows(1000))
    source(path, "crowded", options='{"max_quarantined": 2}')
    cluster.wait_for_copy("crowded")
    cluster.query("DELETE FROM crowded.t WHERE id IN ('5', '6', '7', '8')")
    cluster.query("ALTER TABLE crowded.t ADD CONSTRAINT few CHECK (id NOT IN ('6', '7', '8'))")
    row = repair(cluster, "crowded", "t")
    assert row["state"] == "failed" and "more than 2 rows" in row["error"] and "max_quarantined" in row["hint"]
    assert aside(cluster, "crowded") == []
    assert cluster.query("SELECT 1 FROM crowded.t WHERE id = '5'") == []
    cluster.query("ALTER TABLE crowded.t DROP CONSTRAINT few, ADD CONSTRAINT few CHECK (id NOT IN ('6', '7'))")
    row = repair(cluster, "crowded", "t")
    assert row["state"] == "done" and row["repaired"] == 2
    assert aside(cluster, "crowded") == [("6", "write"), ("7", "write")]
    cluster.query("ALTER TABLE crowded.t DROP CONSTRAINT few")
    cluster.query("SELECT * FROM replicator_replay('crowded')")
    assert_equal(path, "crowded")


def test_a_repair_that_may_not_delete_too_many_extra_rows_fails_and_changes_nothing(cluster, database, source, many_rows, assert_equal):
    path = database("sticky.db", many_rows(1000))
    source(path, "sticky", options='{"max_quarantined": 2}')
    cluster.wait_for_copy("sticky")
    cluster.query("INSERT INTO sticky.t SELECT 'x' || i, '{}', now() - interval '1 hour' FROM generate_series(1, 5) i")
    cluster.query("CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'kept'; END $$")
    cluster.query("CREATE TRIGGER keep BEFORE DELETE ON sticky.t FOR EACH ROW WHEN (OLD.id > 'x2') EXECUTE FUNCTION keep()")
    cluster.query("ALTER TABLE sticky.t ENABLE ALWAYS TRIGGER keep")
    row = repair(cluster, "sticky", "t")
    assert row["state"] == "failed" and "more than 2 rows" in row["error"] and "max_quarantined" in row["hint"]
    assert aside(cluster, "sticky") == []
    assert cluster.query("SELECT count(*) FROM sticky.t") == [(1005,)]
    cluster.query("DROP FUNCTION keep() CASCADE")
    assert repair(cluster, "sticky", "t")["repaired"] == 5
    assert_equal(path, "sticky")


def test_a_table_that_left_the_source_fails_alone(cluster, database, source, many_rows):
    path = database("left.db", many_rows(100), "CREATE TABLE gone (id INTEGER PRIMARY KEY)")
    source(path, "left")
    cluster.wait_for_copy("left")
    connection = sqlite3.connect(path, timeout=240)
    connection.execute("DROP TABLE gone")
    connection.commit()
    connection.close()
    rows = verify(cluster, "left")
    assert rows["gone"]["state"] == "failed" and "no longer at the source" in rows["gone"]["error"]
    assert "replicator_remove_table" in rows["gone"]["hint"]
    assert rows["t"]["compared"] == 100


def test_a_repair_without_rights_says_which_is_missing(cluster, database, many_rows):
    path = database("rights.db", many_rows(100))
    cluster.query("CREATE ROLE keeper; GRANT CREATE ON DATABASE postgres TO keeper; GRANT pg_read_server_files TO keeper")
    cluster.query("GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO keeper")
    connection = cluster.connect()
    with connection.cursor() as cursor:
        cursor.execute("SET ROLE keeper")
        cursor.execute("SELECT replicator_init(%s, name => 'rights')", (f"sqlite://{path}",))
    cluster.wait_for_copy("rights")
    cluster.query("DELETE FROM rights.t WHERE id = '5'")
    cluster.query("ALTER TABLE rights.t OWNER TO postgres; GRANT SELECT ON rights.t TO keeper")
    row = repair(cluster, "rights", "t")
    assert row["state"] == "failed" and 'belongs to role "postgres"' in row["error"] and "OWNER TO keeper" in row["hint"]
    cluster.query("REVOKE SELECT ON rights.t FROM keeper; ALTER TABLE rights.t OWNER TO keeper; REVOKE SELECT ON rights.t FROM keeper")
    row = verify(cluster, "rights")["t"]
    assert row["state"] == "failed" and "permission denied" in row["error"]
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE; CREATE ROLE stranger; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO stranger; SET ROLE stranger")
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute("SELECT replicator_repair('rights', 't')")
    connection.close()
    cluster.query("SELECT replicator_drop('rights'); DROP TABLE rights.t; DROP SCHEMA rights CASCADE; "
                  "DROP OWNED BY keeper, stranger; DROP ROLE keeper, stranger")


def test_a_damaged_file_fails_the_job_and_loses_nothing(cluster, copied):
    path = copied("damaged")
    with open(path, "r+b") as file:
        file.seek(4096 * 20)
        file.write(os.urandom(4096 * 5))
    row = verify(cluster, "damaged")["t"]
    assert row["state"] == "failed" and row["error"]
    assert cluster.query("SELECT count(*) FROM damaged.t") == [(20_000,)]


def test_two_sources_on_one_file_are_compared_each_by_itself(cluster, database, source, many_rows):
    path = database("shared.db", many_rows(5000), wal=True)
    source(path, "one")
    source(path, "two")
    cluster.wait_for_copy("one")
    cluster.wait_for_copy("two")
    cluster.query("DELETE FROM two.t WHERE id = '9'")
    jobs = [cluster.query("SELECT replicator_verify(%s)", (name,))[0][0] for name in ("one", "two")]
    assert [finished(cluster, job)["t"]["missing"] for job in jobs] == [0, 1]
