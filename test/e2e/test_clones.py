"""Copies of a database and of a server, beside the original that goes on: one reader of a source, not two."""
import contextlib

import pytest

from mysql_servers import MariaDbServer
from private_cluster import PrivateCluster, wait_until
from observing import caught_up, rows


@pytest.fixture(scope="module")
def server():
    instance = MariaDbServer()
    yield instance
    instance.destroy()


def reader_id(cluster, database="postgres"):
    return cluster.query("SELECT reader_id FROM replicator.source_state", database=database)[0][0]


def test_a_copy_of_a_database_does_nothing_until_a_person_resumes_it(cluster, db, follow):
    follow()
    original = reader_id(cluster)
    cluster.query("SELECT replicator_stop_workers()")
    cluster.query("CREATE DATABASE copied TEMPLATE postgres")
    try:
        cluster.query("SELECT replicator_sync('s')")
        db.run("INSERT INTO customer VALUES (4, 'new', 0, NULL)", "shop")
        caught_up(cluster)
        status = cluster.status("s", "copied")
        assert status["state"] == "restored" and "replicator_resume" in status["hint"]
        assert status["worker_pid"] is None
        # Pauses of the copy do not reach for the original's workers, and a probe there starts none.
        cluster.query("SELECT replicator_pause('s')", database="copied")
        wait_until(lambda: cluster.query("SELECT count(*) FROM pg_stat_activity WHERE datname = 'copied' "
                                         "AND backend_type LIKE 'pg\\_replicator%'") == [(0,)], what="the probe's end")
        assert "4" not in {row[0] for row in cluster.query("SELECT id FROM s.customer", database="copied")}
        cluster.query("SELECT replicator_resume('s')", database="copied")
        cluster.query("CALL replicator_wait('s', '240 s')", database="copied")
        assert "4" in {row[0] for row in cluster.query("SELECT id FROM s.customer", database="copied")}
        assert reader_id(cluster) == original != reader_id(cluster, "copied")
        db.run("INSERT INTO customer VALUES (5, 'newer', 0, NULL)", "shop")
        caught_up(cluster)
        assert "5" in rows(cluster, "customer")
        assert cluster.query("SELECT evictions, retry_count FROM replicator.source_state") == [(0, 0)]
    finally:
        cluster.query("SELECT replicator_stop_workers()", database="copied")
        cluster.query("DROP DATABASE copied")


@contextlib.contextmanager
def copy_of(cluster):
    """A copy of the cluster, made while it is stopped; both are started."""
    cluster.stop()
    copy = PrivateCluster.copy_of(cluster)
    cluster.start()
    copy.start()
    try:
        yield copy
    finally:
        copy.destroy()


def test_two_copies_of_a_cluster_do_not_throw_each_other_out_for_ever(cluster, db, follow):
    follow()
    with copy_of(cluster) as copy:
        assert reader_id(copy) == reader_id(cluster)
        both = (cluster, copy)
        wait_until(lambda: any(each.status("s")["state"] == "failed" for each in both), what="one to give up")
        [failed, *_] = [each for each in both if each.status("s")["state"] == "failed"]
        status = failed.status("s")
        assert "server_id" in status["last_error"] and "pg_replicator.enabled" in status["hint"]
        copy.configure(**{"pg_replicator.enabled": "off"})
        copy.reload()
        wait_until(lambda: not copy.workers("source worker"), what="the end of the copy's worker")
        cluster.query("SELECT replicator_resume('s')")
        db.run("INSERT INTO customer VALUES (6, 'newest', 0, NULL)", "shop")
        caught_up(cluster)
        assert "6" in rows(cluster, "customer")
        assert cluster.query("SELECT evictions FROM replicator.source_state") == [(0,)]


@contextlib.contextmanager
def standby_of(cluster, **settings):
    """A base backup of the running cluster, started as its standby."""
    standby = PrivateCluster.standby_of(cluster)
    standby.configure(**settings)
    standby.start()
    try:
        yield standby
    finally:
        standby.destroy()


def test_a_standby_that_is_promoted_beside_the_original_goes_on_when_that_is_gone(cluster, db, follow):
    follow()
    with standby_of(cluster) as standby:
        db.run("INSERT INTO customer VALUES (4, 'before', 0, NULL)", "shop")
        caught_up(cluster)
        wait_until(lambda: "4" in rows(standby, "customer"), what="the row at the standby")
        status = standby.status("s")
        assert "recovery" in status["hint"] and status["worker_pid"] is None and not standby.workers("launcher")
        cluster.query("SELECT replicator_pause('s')")
        wait_until(lambda: standby.status("s")["state"] == "paused", what="the pause at the standby")
        cluster.query("SELECT replicator_resume('s')")
        cluster.wait_for_state("s", "streaming")
        standby.query("SELECT pg_promote()")
        # The two cannot both be readers, and neither stops the source for the other without saying so.
        both = (cluster, standby)
        wait_until(lambda: any(each.status("s")["state"] == "failed" for each in both), what="one to give up")
        [failed, *_] = [each for each in both if each.status("s")["state"] == "failed"]
        assert "server_id" in failed.status("s")["last_error"] and "pg_replicator.enabled" in failed.status("s")["hint"]
        cluster.stop()  # the failover that it may have been
        try:
            standby.query("SELECT replicator_resume('s')")
            db.run("INSERT INTO customer VALUES (5, 'after', 0, NULL)", "shop")
            caught_up(standby)
            assert {"4", "5"} <= set(rows(standby, "customer"))
        finally:
            cluster.start()
    cluster.query("SELECT replicator_resume('s')")
    caught_up(cluster)
    assert {"4", "5"} <= set(rows(cluster, "customer"))


def test_a_standby_does_not_promise_workers_that_were_stopped(cluster):
    with standby_of(cluster) as standby:
        obstacle = "SELECT replicator.obstacle()"
        assert standby.query(obstacle) == [("The server is in recovery: workers start when it is promoted.",)]
        standby.query("SELECT replicator_stop_workers()")
        assert "with the first control call after it is promoted" in standby.query(obstacle)[0][0]
        standby.query("SELECT pg_promote()")
        assert "replicator_stop_workers was called" in standby.query(obstacle)[0][0]


def test_a_base_backup_with_enabled_off_leaves_the_original_alone(cluster, db, follow):
    follow()
    with standby_of(cluster, **{"pg_replicator.enabled": "off"}) as backup:
        backup.query("SELECT pg_promote()")
        wait_until(lambda: backup.query("SELECT pg_is_in_recovery()") == [(False,)], what="the promotion")
        assert "pg_replicator.enabled" in backup.status("s")["hint"]
        db.run("INSERT INTO customer VALUES (6, 'new', 0, NULL)", "shop")
        caught_up(cluster)
        assert cluster.query("SELECT evictions, retry_count FROM replicator.source_state") == [(0, 0)]
        assert not backup.workers("source worker") and "6" not in rows(backup, "customer")
