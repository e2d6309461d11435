"""The copy shows one state of the file, whoever writes to it, and survives the death of any of its processes."""
import contextlib
import random
import sqlite3
import time

import pytest

from conftest import make_readable
from private_cluster import wait_until
from bank import ACCOUNTS, BusyWriter, SUMS, TOTAL

POINTS = ["chunk_written", "chunk_committed", "before_primary_key", "after_primary_key"]


@pytest.mark.parametrize("wal", [True, False], ids=["wal", "rollback"])
def test_every_copy_under_writers_is_one_state(cluster, database, source, wal):
    path = database("bank.db", ACCOUNTS, wal=wal)
    keeper = sqlite3.connect(path, timeout=240)  # keeps -wal and -shm in being, as a running application does
    keeper.execute("SELECT count(*) FROM account").fetchone()
    make_readable(path)
    with BusyWriter(path, seed=1) as writer:
        source(path, "bank")
        cluster.wait_for_copy("bank")
        assert cluster.query(SUMS.format("bank")) == [(TOTAL, 60000, 60000, 1000)]
        in_place = []
        while in_place.count(False) < 4:
            with cluster.waiting_at("chunk_committed", lambda: cluster.query("SELECT replicator_sync('bank')")):
                # What is read in place shuts a writer without a WAL out; one who writes all the time does not let it come to that.
                in_place.append(not wal and not cluster.query("SELECT copy_durable FROM replicator.source_state")[0][0])
                before = writer.commits
                wait_until(lambda: writer.commits > before or in_place[-1], 45, "the writer, who is shut out")
            assert in_place.count(True) < 20
            cluster.query("CALL replicator_wait('bank', '240 s')")
            assert cluster.query(SUMS.format("bank")) == [(TOTAL, 60000, 60000, 1000)]
    keeper.close()
    assert cluster.status("bank")["last_error"] is None


def test_two_copy_workers_share_one_table(cluster, database, source, many_rows, assert_equal):
    path = database("one.db", many_rows(420_000))
    leaseholders = "SELECT count(DISTINCT lease_pid) FROM replicator.chunk WHERE state = 'leased'"
    with cluster.waiting_at("chunk_committed", lambda: source(path, "one")):
        wait_until(lambda: cluster.query(leaseholders) == [(2,)], 45, "a second process to copy")
    cluster.wait_for_copy("one")
    assert cluster.query("SELECT count(*), count(DISTINCT id) FROM one.t") == [(420_000, 420_000)]


@pytest.mark.parametrize("point", POINTS)
def test_a_crash_at_a_failure_point_costs_no_row_and_doubles_none(cluster, database, source, many_rows, assert_equal,
                                                                  point):
    path = database("c.db", many_rows(210_000), "CREATE TABLE small (k TEXT PRIMARY KEY, v); INSERT INTO small VALUES ('a', 1), (NULL, 2);")
    cluster.fail_at(point)
    source(path, "crash")
    cluster.wait_for_failure()
    cluster.wait_for_copy("crash")
    assert_equal(path, "crash")


@pytest.mark.parametrize("point", POINTS + ["merge_table"])
def test_a_crash_in_a_refresh_leaves_the_old_state_until_the_new_one_is_whole(cluster, database, source, many_rows,
                                                                              assert_equal, point):
    path = database("r.db", many_rows(50_000), "CREATE TABLE u AS SELECT id AS k, b FROM t;")
    source(path, "crashrefresh")
    cluster.wait_for_copy("crashrefresh")
    connection = sqlite3.connect(path, timeout=240)
    connection.executescript("UPDATE t SET a = -1 WHERE id % 3 = 0; DELETE FROM t WHERE id % 7 = 0; "
                             "INSERT INTO t (b) VALUES ('new'); DELETE FROM u WHERE k % 2 = 0;")
    connection.close()
    cluster.fail_at(point)
    cluster.query("SELECT replicator_sync('crashrefresh')")
    cluster.wait_for_failure()
    counts = cluster.query_when_up("SELECT (SELECT count(*) FROM crashrefresh.t), (SELECT count(*) FROM crashrefresh.u)")[0]
    assert counts in [(50_000, 50_000), (42_859, 25_000)]
    cluster.wait_for_copy("crashrefresh")
    assert_equal(path, "crashrefresh")


def test_a_crash_before_a_target_that_was_made_again_is_filled_costs_nothing(cluster, database, source, assert_equal):
    path = database("again.db", "CREATE TABLE t (id INTEGER PRIMARY KEY, a INT); INSERT INTO t VALUES (1, 1), (2, 2)")
    source(path, "again")
    cluster.wait_for_copy("again")
    cluster.query("DROP TABLE again.t")
    with cluster.waiting_at("targets_made", lambda: cluster.query("SELECT replicator_sync('again')")):
        cluster.query("CREATE TABLE flushed (); DROP TABLE flushed")  # a commit that waits for the disk, and takes the worker's with it
        cluster.kill(cluster.workers("source worker")[0])
    cluster.wait_for_copy("again")
    assert_equal(path, "again")


@pytest.mark.parametrize("kind", ["copy worker", "source worker", "server"])
def test_random_kills_during_a_copy_cost_nothing(cluster, database, source, many_rows, assert_equal, kind):
    path = database("k.db", many_rows(210_000))
    generator = random.Random(kind)

    def kill():
        if kind == "server":
            cluster.crash()
        for pid in cluster.workers(kind)[:1] if kind != "server" else []:
            with contextlib.suppress(ProcessLookupError):
                cluster.kill(pid)
    with cluster.waiting_at("chunk_written", lambda: source(path, "kills")):
        assert kind == "server" or cluster.workers(kind)
        kill()  # one is certain to meet the copy
    # At its third death without progress a worker's table would fail; that of the whole server is not its work's doing.
    for _ in range(2 if kind == "server" else 1):
        time.sleep(generator.uniform(0.05, 0.4))  # the moment of the kill is random, nothing is awaited
        if cluster.status("kills")["state"] != "idle":
            kill()
    cluster.wait_for_copy("kills")
    assert_equal(path, "kills")


def test_a_terminated_worker_is_replaced(cluster, database, source, many_rows, assert_equal):
    path = database("term.db", many_rows(210_000))
    with cluster.waiting_at("chunk_committed", lambda: source(path, "term")):
        pid, = cluster.workers("source worker")
        cluster.query("SELECT pg_terminate_backend(%s)", (pid,))
    cluster.wait_for_copy("term")
    assert_equal(path, "term")


def test_a_copy_resumes_at_the_chunk_when_the_file_is_unchanged(cluster, database, source, many_rows):
    path = database("resume.db", many_rows(210_000))
    cluster.fail_at("before_primary_key")
    source(path, "resume")
    cluster.wait_for_failure()
    cluster.wait_for_copy("resume")
    assert cluster.query("SELECT count(*), min(_synced_at) < max(_synced_at) FROM resume.t")[0][0] == 210_000
    started = cluster.query("SELECT state_read_at FROM replicator.source_state st JOIN replicator.source s "
                            "ON s.id = st.source_id WHERE name = 'resume'")[0][0]
    assert cluster.query("SELECT min(_synced_at) FROM resume.t")[0][0] >= started


def test_a_copy_starts_over_when_the_file_changed_after_a_crash(cluster, database, source, many_rows, assert_equal):
    path = database("changed.db", many_rows(210_000))
    cluster.fail_at("before_primary_key")
    source(path, "changed")
    cluster.wait_for_failure()
    connection = sqlite3.connect(path, timeout=240)
    connection.execute("UPDATE t SET b = 'changed' WHERE id IN (1, 210000)")
    connection.commit()
    connection.close()
    cluster.wait_for_copy("changed")
    cluster.query("CALL replicator_wait('changed', '240 s')")
    assert_equal(path, "changed")


def test_memory_stays_within_its_bound_for_ten_times_the_rows(cluster, database, source, many_rows):
    peaks = {}
    for name, rows in (("small", 100_000), ("large", 1_000_000)):
        path = database(f"{name}.db", many_rows(rows))
        highest = {}

        def finished():
            for kind in ("copy worker", "source worker"):
                for pid in cluster.workers(kind):
                    try:
                        with open(f"/proc/{pid}/status") as status:
                            for line in status:
                                if line.startswith("VmHWM"):
                                    highest[kind] = max(highest.get(kind, 0), int(line.split()[1]))
                    except (FileNotFoundError, ProcessLookupError):
                        pass
            return cluster.status(name)["state"] == "idle"
        with cluster.waiting_at("chunk_written", lambda: source(path, name)):
            assert not finished()  # what is written until a commit takes, however seldom we look
        wait_until(finished, 240, f"{name} to be copied")
        peaks[name] = highest
    # memory_per_worker 64 MB, the base of a backend with shared_buffers = 16 MB, three small rows.
    assert max(peaks["large"].values()) < (64 + 60) * 1024, peaks
    if "copy worker" in peaks["small"]:
        assert peaks["large"]["copy worker"] < peaks["small"]["copy worker"] * 1.5 + 8 * 1024, peaks
