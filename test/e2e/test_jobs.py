"""Jobs that compare and repair: interrupted, paused, cancelled, watched."""
import os

import psycopg2
import pytest

from private_cluster import wait_until
from test_verify import copied, finished, flip_one_bit, job_rows  # noqa: F401


def test_a_job_survives_kills_and_restarts(cluster, database, source, many_rows):
    path = database("killed.db", many_rows(400_000))
    source(path, "killed")
    cluster.wait_for_copy("killed")
    flip_one_bit(cluster, "killed", "399999")
    job = cluster.query("SELECT replicator_verify('killed')")[0][0]
    cluster.kill(wait_until(lambda: cluster.workers("job worker"), 45, "a job worker")[0])
    wait_until(lambda: cluster.workers("job worker"), 45, "the job to be begun again")
    cluster.restart("immediate")
    wait_until(lambda: cluster.workers("job worker"), 45, "the job to be begun again")
    cluster.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pg_replicator job worker'")
    assert finished(cluster, job)["t"]["changed"] == 1
    assert cluster.query("SELECT count(*) FROM pg_class WHERE relname ~ '_pass_'") == [(0,)]


def test_a_pause_stops_a_job_until_resumed_and_cancel_ends_it(cluster, database, source, many_rows):
    path = database("stopped.db", many_rows(400_000))
    source(path, "stopped")
    cluster.wait_for_copy("stopped")
    job = cluster.query("SELECT replicator_verify('stopped')")[0][0]
    wait_until(lambda: cluster.workers("job worker"), 45, "a job worker")
    cluster.query("SELECT replicator_pause('stopped')")
    wait_until(lambda: not cluster.workers("job worker"), 45, "the worker to end")
    with pytest.raises(psycopg2.Error) as refused:
        cluster.query("SELECT replicator_verify('stopped')")
    assert "paused" in str(refused.value) and "replicator_resume" in str(refused.value)
    cluster.query("SELECT replicator_resume('stopped')")
    assert finished(cluster, job)["t"]["state"] == "done"
    job = cluster.query("SELECT replicator_verify('stopped')")[0][0]
    wait_until(lambda: cluster.workers("job worker"), 45, "a job worker")
    cluster.query("SELECT replicator_cancel_job(%s)", (job,))
    assert finished(cluster, job)["t"]["state"] == "canceled"
    wait_until(lambda: not cluster.workers("job worker"), 45, "the worker to end")
    with pytest.raises(psycopg2.errors.ObjectNotInPrerequisiteState):
        cluster.query("SELECT replicator_cancel_job(%s)", (job,))


def test_pauses_do_not_use_up_the_failures_that_a_job_may_have(cluster, database, source, many_rows):
    path = database("patient.db", many_rows(1000))
    source(path, "patient", options='{"retry_initial": "1s", "retry_max": "1s"}')
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
    row = finished(cluster, job)["t"]
    assert row["state"] == "done" and row["compared"] == 1000, row


def test_progress_shows_a_comparison(cluster, database, source, many_rows):
    path = database("shown.db", many_rows(400_000))
    source(path, "shown")
    cluster.wait_for_copy("shown")
    job = cluster.query("SELECT replicator_verify('shown')")[0][0]
    seen = wait_until(lambda: cluster.query(
        'SELECT worker, source, "table", rows_total FROM replicator_progress WHERE phase = \'comparing\' AND rows_done > 0'),
        45, "the phase to be seen")
    assert seen[0][:3] == ("job worker", "shown", "t") and seen[0][3] >= 400_000
    assert cluster.query("SELECT rows_compared > 0, state FROM replicator_jobs WHERE job = %s", (job,)) == [(True, "running")]
    finished(cluster, job)


def test_confirming_what_differs_does_not_begin_the_comparison_anew(cluster, database, source, many_rows):
    path = database("nested.db", many_rows(200_000))
    source(path, "nested")
    cluster.wait_for_copy("nested")
    cluster.query("UPDATE nested.t SET data = '{}' WHERE id::int % 3 = 0")
    job = cluster.query("SELECT replicator_verify('nested')")[0][0]
    seen = []
    connection = cluster.connect()
    with connection.cursor() as cursor:
        while job_rows(cluster, job)[0][1] in ("pending", "running"):
            for _ in range(20):
                cursor.execute("SELECT phase, since, rows_done FROM replicator.worker_phases()")
                seen += cursor.fetchall()
    connection.close()
    assert finished(cluster, job)["t"]["changed"] == 66_666
    phases = [phase for phase, _, _ in seen]
    assert "comparing" in phases[phases.index("confirming"):], "it was not seen to go on"
    comparing = [row[1:] for row in seen if row[0] == "comparing"]
    assert len({since for since, _ in comparing}) == 1
    assert sorted(comparing) == comparing, "rows that were done are no longer"


def test_rows_compared_are_shown_in_every_phase(cluster, copied, assert_equal):
    """A repair writes under the lock of the source's state: whoever holds it sees the phases in which it is waited for."""
    path = copied("phases")
    flip_one_bit(cluster, "phases", "12345")
    cluster.query("INSERT INTO phases.t (id, data, _synced_at) VALUES ('extra', '{}', now())")

    def seen_in(phase, holder):
        with holder.cursor() as cursor:
            cursor.execute("SELECT 1 FROM replicator.source_state WHERE source_id = (SELECT id FROM replicator.source WHERE name = 'phases') FOR UPDATE")
        job = cluster.query("SELECT coalesce((SELECT max(job) FROM replicator_jobs WHERE source = 'phases' AND finished_at IS NULL), "
                            "(SELECT replicator_repair('phases', 't')))")[0][0]
        wait_until(lambda: cluster.query("SELECT 1 FROM replicator_progress WHERE source = 'phases' AND phase = %s AND wait_event_type = 'Lock'", (phase,)),
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
