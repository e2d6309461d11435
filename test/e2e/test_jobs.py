"""Jobs that compare and repair: interrupted, paused, cancelled, watched."""
import contextlib
import os

import psycopg2
import pytest

from private_cluster import wait_until
from observing import finished, flip_one_bit, job_rows


@contextlib.contextmanager
def comparing(cluster, name):
    """A comparison is in its first pass, and stays there until the end of the block."""
    jobs = []
    with cluster.waiting_at("rows_compared", lambda: jobs.append(cluster.query("SELECT replicator_verify(%s)", (name,))[0][0])):
        yield jobs[0]


def test_a_job_survives_kills_and_restarts(cluster, database, source, many_rows):
    path = database("killed.db", many_rows(400_000))
    source(path, "killed")
    cluster.wait_for_copy("killed")
    flip_one_bit(cluster, "killed", "399999")

    def begun_again(but_for):
        at_work = "SELECT pid FROM replicator_progress WHERE worker = 'job worker' AND rows_done > 0 AND pid <> %s"
        return wait_until(lambda: cluster.query_when_up(at_work, (but_for,)), what="the job to be begun again")[0][0]
    with comparing(cluster, "killed") as job:
        first, = cluster.workers("job worker")
        cluster.kill(first)
        second = begun_again(first)
        cluster.restart("immediate")
        cluster.query("SELECT pg_terminate_backend(%s)", (begun_again(second),))
    assert finished(cluster, job)["t"]["changed"] == 1
    assert cluster.query("SELECT count(*) FROM pg_class WHERE relname ~ '_pass_'") == [(0,)]


def test_a_pause_stops_a_job_until_resumed_and_cancel_ends_it(cluster, database, source, many_rows):
    path = database("stopped.db", many_rows(400_000))
    source(path, "stopped")
    cluster.wait_for_copy("stopped")
    with comparing(cluster, "stopped") as job:
        cluster.query("SELECT replicator_pause('stopped')")
    wait_until(lambda: not cluster.workers("job worker"), 45, "the worker to end")
    assert job_rows(cluster, job)[0][1] == "running" and job_rows(cluster, job)[0][2] < 400_000
    with pytest.raises(psycopg2.Error) as refused:
        cluster.query("SELECT replicator_verify('stopped')")
    assert "paused" in str(refused.value) and "replicator_resume" in str(refused.value)
    cluster.query("SELECT replicator_resume('stopped')")
    assert finished(cluster, job)["t"]["state"] == "done"
    with comparing(cluster, "stopped") as job:
        cluster.query("SELECT replicator_cancel_job(%s)", (job,))
    assert finished(cluster, job)["t"]["state"] == "canceled"
    wait_until(lambda: not cluster.workers("job worker"), 45, "the worker to end")
    with pytest.raises(psycopg2.errors.ObjectNotInPrerequisiteState):
        cluster.query("SELECT replicator_cancel_job(%s)", (job,))


def test_pauses_do_not_use_up_the_failures_that_a_job_may_have(cluster, database, source, many_rows):
    path = database("patient.db", many_rows(1000))
    source(path, "patient", options='{"retry_initial": "1h", "retry_max": "1h"}')
    cluster.wait_for_copy("patient")
    holder = cluster.connect()
    holder.autocommit = False
    holder.cursor().execute("LOCK TABLE patient.t IN ACCESS EXCLUSIVE MODE")
    job = cluster.query("SELECT replicator_verify('patient')")[0][0]
    for number in range(5):
        wait_until(lambda: cluster.query("SELECT 1 FROM pg_stat_activity WHERE backend_type = 'pg_replicator job worker' "
                                         "AND wait_event_type = 'Lock'"), 45, "the comparison to wait")
        cluster.query("SELECT replicator_pause('patient')")
        wait_until(lambda: not cluster.workers("job worker"), 45, "the worker to end")
        if number == 4:
            os.rename(path, str(path) + ".away")
        cluster.query("SELECT replicator_resume('patient')")
    holder.rollback()
    holder.close()
    wait_until(lambda: job_rows(cluster, job)[0][9], 45, "the job to fail")
    os.rename(str(path) + ".away", path)
    assert "does not exist" in job_rows(cluster, job)[0][9]
    cluster.query("UPDATE replicator.job SET next_attempt_at = NULL; SELECT replicator.request_probe()")
    row = finished(cluster, job)["t"]
    assert row["state"] == "done" and row["compared"] == 1000, row


def test_progress_shows_a_comparison(cluster, database, source, many_rows):
    path = database("shown.db", many_rows(400_000))
    source(path, "shown")
    cluster.wait_for_copy("shown")
    with comparing(cluster, "shown") as job:
        seen = cluster.query('SELECT worker, source, "table", rows_total FROM replicator_progress WHERE phase = \'comparing\' AND '
                             'rows_done > 0')
        assert seen[0][:3] == ("job worker", "shown", "t") and seen[0][3] >= 400_000
        assert cluster.query("SELECT rows_compared > 0, state FROM replicator_jobs WHERE job = %s", (job,)) == [(True, "running")]
    finished(cluster, job)


def test_confirming_what_differs_does_not_start_the_comparison_over(cluster, database, source, many_rows):
    path = database("nested.db", many_rows(200_000))
    source(path, "nested")
    cluster.wait_for_copy("nested")
    cluster.query("UPDATE nested.t SET data = '{}' WHERE id::int % 3 = 0")
    phase = "SELECT phase, since, rows_done FROM replicator.worker_phases() WHERE phase IN ('comparing', 'confirming')"
    holder = cluster.connect()
    holder.autocommit = False
    seen = []
    with comparing(cluster, "nested") as job:
        seen += cluster.query(phase)
        holder.cursor().execute("LOCK TABLE nested.t IN ACCESS EXCLUSIVE MODE")
    for _ in range(3):
        wait_until(lambda: [row[0] for row in cluster.query(phase)] == ["confirming"], 45, "what differs to be confirmed")
        with cluster.waiting_at("rows_compared", holder.rollback):
            seen += cluster.query(phase)
            holder.cursor().execute("LOCK TABLE nested.t IN ACCESS EXCLUSIVE MODE")
    holder.close()
    assert finished(cluster, job)["t"]["changed"] == 66_666
    assert [phase for phase, _, _ in seen] == ["comparing"] * 4, "it did not go on"
    assert len({since for _, since, _ in seen}) == 1
    done = [rows for _, _, rows in seen]
    assert done[0] > 0 and sorted(set(done)) == done, "rows that were done are no longer"


def test_rows_compared_are_shown_in_every_phase(cluster, copied, assert_equal):
    """One writer at a time: a replay whose transaction is open sees the phases in which a repair waits for it."""
    path = copied("phases")
    cluster.query("INSERT INTO replicator.quarantine (source_id, table_id, key, operation, reason, sqlstate) "
                  "SELECT t.source_id, t.id, 'nowhere', 'delete', 'for the replay', '23514' FROM replicator.source_table t "
                  "JOIN replicator.source s ON s.id = t.source_id WHERE s.name = 'phases'")
    flip_one_bit(cluster, "phases", "12345")
    cluster.query("INSERT INTO phases.t (id, data, _synced_at) VALUES ('extra', '{}', now())")

    def seen_in(phase, holder):
        with holder.cursor() as cursor:
            cursor.execute("SELECT FROM replicator_replay('phases')")
        job = cluster.query("SELECT coalesce((SELECT max(job) FROM replicator_jobs WHERE source = 'phases' AND finished_at IS NULL), "
                            "(SELECT replicator_repair('phases', 't')))")[0][0]
        wait_until(lambda: cluster.query("SELECT 1 FROM replicator_progress WHERE source = 'phases' AND phase = %s AND wait_event_type = "
                                         "'Lock'", (phase,)),
                   45, f"the repair to wait in the phase {phase}")
        return job, cluster.query("SELECT rows_compared FROM replicator_jobs WHERE job = %s", (job,))[0][0]
    holder = cluster.connect()
    holder.autocommit = False
    try:
        _, compared = seen_in("confirming", holder)
        assert compared >= 12_345
    finally:
        holder.close()
    finished(cluster, cluster.query("SELECT max(job) FROM replicator_jobs WHERE source = 'phases'")[0][0])
    cluster.query("INSERT INTO phases.t (id, data, _synced_at) VALUES ('extra', '{}', now())")
    holder = cluster.connect()
    holder.autocommit = False
    try:
        job, compared = seen_in("second pass", holder)
        assert compared == 20_000
    finally:
        holder.close()
    assert finished(cluster, job)["t"]["extra"] == 1
    assert_equal(path, "phases")
