"""What can be wrong with a file: state and hint say which, and nothing on the target is lost."""
import os
import random
import shutil
import sqlite3
import subprocess
import sys

import psycopg2
import pytest

from conftest import make_readable
from private_cluster import wait_until

ROWS = "CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 'a'), (2, 'b');"


def sync_and_wait(cluster, name, *states):
    cluster.query("SELECT replicator_sync(%s)", (name,))

    def reached():
        status = cluster.status(name)
        return status if status["state"] in states else None
    return wait_until(reached, 45, lambda: f"{name} to be {states}: {cluster.status(name)}")


def break_missing(path):
    os.rename(path, f"{path}.away")


def break_text(path):
    with open(path, "wb") as f:
        f.write(b"this is a letter, not a database " * 300)


def break_encrypted(path):
    size = os.path.getsize(path)
    with open(path, "wb") as f:
        f.write(random.Random(1).randbytes(size))


def break_truncated(path):
    with open(path, "r+b") as f:
        f.truncate(os.path.getsize(path) // 2)


def break_empty(path):
    with open(path, "wb"):
        pass


def break_permission(path):
    os.chmod(path, 0)


def break_directory(path):
    os.rename(path, f"{path}.away")
    os.mkdir(path)


@pytest.mark.parametrize("breaks, word", [
    (break_missing, "does not exist"), (break_text, "not a"), (break_encrypted, "encrypted"),
    (break_truncated, "truncated"), (break_empty, "empty"), (break_permission, "permission|not permitted|may not"),
    (break_directory, "directory")], ids=lambda v: getattr(v, "__name__", ""))
def test_a_broken_file_is_named_and_the_target_keeps_its_rows(cluster, database, source, breaks, word):
    import re
    path = database("b.db", ROWS, "CREATE TABLE filler AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 5000) "
                                  "SELECT i, 'filler filler filler' AS f FROM n;")
    keep = f"{path}.keep"
    shutil.copy(path, keep)
    source(path, "broken")
    cluster.wait_for_copy("broken")
    breaks(path)
    status = sync_and_wait(cluster, "broken", "backing_off", "failed")
    text = " ".join(str(status[k]) for k in ("last_error", "hint")).lower()
    assert re.search(word, text), text
    assert status["hint"], status
    assert cluster.query("SELECT count(*) FROM broken.t")[0][0] == 2
    if status["state"] == "backing_off":
        assert status["next_retry_at"] is not None
    # Mended, it goes on.
    if os.path.isdir(path):
        os.rmdir(path)
    shutil.copy(keep, path)
    os.chmod(path, 0o666)
    cluster.query("SELECT replicator_resume('broken')")
    cluster.wait_for_copy("broken")
    assert cluster.status("broken")["last_error"] is None


def test_a_damaged_page_fails_its_table_or_source_and_loses_nothing(cluster, database, source, many_rows):
    path = database("d.db", many_rows(20_000))
    source(path, "damaged")
    cluster.wait_for_copy("damaged")
    with open(path, "r+b") as f:
        f.seek(os.path.getsize(path) // 2 // 4096 * 4096)
        f.write(b"\xff" * 4096)
    cluster.query("SELECT replicator_sync('damaged')")
    wait_until(lambda: cluster.status("damaged")["last_error"], 45, "an error")
    assert "malformed" in cluster.status("damaged")["last_error"] or "damaged" in cluster.status("damaged")["last_error"]
    assert cluster.query("SELECT count(*) FROM damaged.t")[0][0] == 20_000


def test_a_file_locked_for_long_backs_off_and_goes_on_when_it_is_free(cluster, database, source):
    path = database("l.db", ROWS)
    source(path, "locked", options='{"connect_timeout": "300ms"}')
    cluster.wait_for_copy("locked")
    holder = sqlite3.connect(path, isolation_level=None, timeout=240)
    holder.execute("BEGIN EXCLUSIVE")
    status = sync_and_wait(cluster, "locked", "backing_off")
    assert "locked" in status["last_error"] and status["hint"]
    holder.execute("INSERT INTO t VALUES (3, 'c')")
    holder.execute("COMMIT")
    holder.close()
    cluster.wait_for_copy("locked")
    assert cluster.query("SELECT count(*) FROM locked.t")[0][0] == 3


def test_a_file_replaced_by_another_is_refreshed_from_it(cluster, database, source, assert_equal):
    path = database("p.db", ROWS)
    source(path, "replaced")
    cluster.wait_for_copy("replaced")
    other = database("other.db", "CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 'a'), (9, 'new');")
    os.rename(other, path)
    cluster.query("CALL replicator_wait('replaced', '240 s')")
    assert_equal(path, "replaced")


def test_a_file_on_a_read_only_medium_is_read(cluster, database, files, source, assert_equal):
    path = database("ro.db", ROWS)
    os.chmod(path, 0o444)
    os.chmod(files, 0o555)
    source(path, "readonly")
    cluster.wait_for_copy("readonly")
    assert_equal(path, "readonly")
    os.chmod(files, 0o777)


def test_uncommitted_and_wal_only_changes_are_told_apart(cluster, database, source, assert_equal):
    path = database("w.db", ROWS, wal=True)
    writer = sqlite3.connect(path, isolation_level=None, timeout=240)
    writer.execute("INSERT INTO t VALUES (3, 'committed, in the WAL only')")
    writer.execute("BEGIN")
    writer.execute("INSERT INTO t VALUES (4, 'not committed')")
    make_readable(path)
    source(path, "waltold")
    cluster.wait_for_copy("waltold")
    assert cluster.query("SELECT id FROM waltold.t ORDER BY id") == [("1",), ("2",), ("3",)]
    writer.execute("COMMIT")
    cluster.query("CALL replicator_wait('waltold', '240 s')")
    assert_equal(path, "waltold")
    writer.close()


def test_a_truncated_index_of_the_log_ends_no_process(cluster, database, source, assert_equal):
    path = database("cut.db", ROWS, wal=True)
    # By a program that dies: one that lives would be ended by what is done to the file.
    program = "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); c.execute(sys.argv[2]); os._exit(0)"
    many = "INSERT INTO t WITH n(i) AS (SELECT 3 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) SELECT i, printf('%0100d', i) FROM n"
    subprocess.run([sys.executable, "-c", program, path, many], check=True)
    make_readable(path)
    with cluster.waiting_at("targets_made", lambda: source(path, "cut", options='{"retry_initial": "1h", "retry_max": "1h"}')):
        os.truncate(f"{path}-shm", 0)
    status = cluster.wait_for_state("cut", "backing_off")
    assert "was cut off" in status["last_error"] and status["hint"], status
    cluster.query("SELECT replicator_resume('cut')")
    cluster.wait_for_copy("cut")
    assert_equal(path, "cut")


def test_a_wal_file_without_its_database_says_what_is_missing(cluster, database, source, assert_equal):
    path = database("walonly.db", ROWS)
    program = sqlite3.connect(path, isolation_level=None, timeout=240)
    program.execute("PRAGMA journal_mode = WAL")
    program.execute("INSERT INTO t VALUES (1001, 1)")
    for suffix in ("", "-wal", "-shm"):
        os.chmod(str(path) + suffix, 0o666)
    source(path, "walonly", options='{"retry_initial": "1h", "retry_max": "1h"}')
    cluster.wait_for_copy("walonly")
    before = cluster.query("SELECT count(*) FROM walonly.t")
    os.rename(path, str(path) + ".away")
    cluster.query("SELECT replicator_sync('walonly')")
    status = cluster.wait_for_state("walonly", "backing_off")
    assert "does not exist" in status["last_error"] and "Put the database file back" in status["hint"]
    job = cluster.query("SELECT replicator_verify('walonly')")[0][0]
    wait_until(lambda: cluster.query("SELECT last_error FROM replicator_jobs WHERE job = %s", (job,))[0][0], 45, "the job's error")
    assert cluster.query("SELECT count(*) FROM walonly.t") == before
    os.rename(str(path) + ".away", path)
    cluster.query("SELECT replicator_resume('walonly')")
    cluster.wait_for_copy("walonly")
    cluster.query("UPDATE replicator.job SET next_attempt_at = NULL; SELECT replicator.request_probe()")
    wait_until(lambda: cluster.query("SELECT state FROM replicator_jobs WHERE job = %s", (job,)) == [("done",)], 45, "the job")
    assert_equal(path, "walonly")
    with pytest.raises(psycopg2.Error) as refused:
        cluster.query("SELECT replicator_init(%s, name => 'log')", (f"sqlite://{path}-wal",))
    assert "is the write-ahead log" in str(refused.value) and "without -wal" in str(refused.value)
    program.close()
