"""Code of an owner that goes on whatever cancels it does not outlive what it was run for."""
import contextlib
import sqlite3

import pytest

from private_cluster import wait_until
from observing import Waiting

# It is within this loop whenever a worker is, and catches each cancel. The advisory lock tells that it is there.
LOOP = """CREATE FUNCTION {schema}.loop() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
    IF current_setting('application_name') !~ '^pg_replicator' THEN RETURN; END IF;
    PERFORM pg_advisory_lock_shared(77);
    LOOP BEGIN PERFORM pg_sleep(1000); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP;
END $$"""


def stuck(cluster):
    """Workers in the loop."""
    return [pid for (pid,) in cluster.query("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = 77 AND granted")]


def ended_by(cluster, call, parameters=None):
    pids = wait_until(lambda: stuck(cluster), 240, "a worker in the owner's code")
    cluster.query(call, parameters)
    wait_until(lambda: not set(pids) & set(stuck(cluster)), 45, "the worker's end")


@pytest.fixture
def in_trigger(cluster, copied):
    def make(name):
        path = copied(name)
        cluster.query(LOOP.format(schema=name))
        cluster.query(f"""CREATE FUNCTION {name}.fire() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN PERFORM {name}.loop(); RETURN NEW; END $$;
            CREATE TRIGGER x BEFORE INSERT OR UPDATE ON {name}.t FOR EACH ROW EXECUTE FUNCTION {name}.fire();
            ALTER TABLE {name}.t ENABLE ALWAYS TRIGGER x""")
        return path
    return make


def test_a_pause_ends_a_source_worker_in_code_of_its_owner(cluster, in_trigger, assert_equal):
    path = in_trigger("looping")
    connection = sqlite3.connect(path, timeout=240)
    connection.execute("UPDATE t SET b = 'changed' WHERE id = 1")
    connection.commit()
    connection.close()
    cluster.query("SELECT replicator_sync('looping')")
    ended_by(cluster, "SELECT replicator_pause('looping')")
    assert cluster.status("looping")["state"] == "paused"
    wait_until(lambda: cluster.status("looping")["worker_pid"] is None, 45, "the worker's end in the status")
    cluster.query("DROP FUNCTION looping.loop() CASCADE; DROP TRIGGER x ON looping.t; SELECT replicator_resume('looping'); "
                  "SELECT replicator_sync('looping')")
    cluster.query("CALL replicator_wait('looping', '240 s')")
    assert_equal(path, "looping")


def test_a_job_that_is_cancelled_ends_in_code_of_its_owner(cluster, in_trigger):
    in_trigger("repaired")
    cluster.query("""UPDATE repaired.t SET data = data || '{"b": "damaged"}' WHERE id = '1'""")
    job = cluster.query("SELECT replicator_repair('repaired', 't')")[0][0]
    ended_by(cluster, "SELECT replicator_cancel_job(%s)", (job,))
    wait_until(lambda: cluster.query("SELECT state FROM replicator_jobs WHERE job = %s", (job,)) == [("canceled",)], 45, "its state")
    cluster.query("DROP TRIGGER x ON repaired.t")


def test_a_call_that_needs_the_turn_of_a_job_in_code_of_the_owner_gets_it(cluster, in_trigger):
    in_trigger("altered")
    cluster.query("""UPDATE altered.t SET data = data || '{"b": "damaged"}' WHERE id = '1'""")
    cluster.query("SELECT replicator_repair('altered', 't')")
    ended_by(cluster, """SET statement_timeout = '45 s'; SELECT replicator_alter('altered', exclude_tables => '{other}')""")
    cluster.query("SELECT replicator_pause('altered'); DROP TRIGGER x ON altered.t")


def test_an_index_that_is_wanted_no_longer_ends_in_code_of_its_owner(cluster, copied):
    copied("indexed")
    cluster.query(LOOP.format(schema="indexed"))
    cluster.query("""CREATE FUNCTION indexed.ix(jsonb) RETURNS jsonb IMMUTABLE LANGUAGE plpgsql AS
        $$ BEGIN PERFORM indexed.loop(); RETURN $1; END $$""")
    cluster.query("""SELECT replicator_alter('indexed', rules => '{"indexes": {"t": ["indexed.ix(data)"]}}')""")
    ended_by(cluster, "SELECT replicator_alter('indexed', rules => '{}')")
    wait_until(lambda: cluster.query("SELECT count(*) FROM pg_index WHERE indrelid = 'indexed.t'::regclass AND NOT indisvalid")
               == [(0,)], 45, "what the build has left to go")


def test_a_cancelled_job_does_not_end_the_build_of_the_index_of_its_number(cluster, copied, in_trigger):
    """Of the same source: jobs and indexes are numbered apart."""
    path = copied("numbered")
    cluster.query(LOOP.format(schema="numbered"))
    cluster.query("""CREATE FUNCTION numbered.ix(jsonb) RETURNS jsonb IMMUTABLE LANGUAGE plpgsql AS
        $$ BEGIN PERFORM numbered.loop(); RETURN $1; END $$""")
    cluster.query("""SELECT replicator_alter('numbered', rules => '{"indexes": {"t": ["numbered.ix(data)"]}}')""")
    builder, = wait_until(lambda: stuck(cluster), 240, "the index worker in the owner's code")
    index = cluster.query("SELECT id FROM replicator.target_index WHERE state = 'building'")[0][0]
    # No job has had this number yet, or it is gone.
    cluster.query("DELETE FROM replicator.job WHERE id = %s", (index,))
    sequence = "pg_get_serial_sequence('replicator.job', 'id')"
    last = cluster.query(f"SELECT nextval({sequence})")[0][0]
    cluster.query(f"SELECT setval({sequence}, %s, false)", (index,))
    with contextlib.closing(sqlite3.connect(path, timeout=240)) as file:
        file.execute("BEGIN EXCLUSIVE")  # the job waits for it
        job = cluster.query("SELECT replicator_verify('numbered', '{t}')")[0][0]
        cluster.query(f"SELECT setval({sequence}, %s)", (max(last, index),))
        assert job == index
        cluster.query("SELECT replicator_cancel_job(%s)", (job,))
        wait_until(lambda: cluster.query("SELECT state FROM replicator_jobs WHERE job = %s", (job,)) == [("canceled",)], 45, "its state")
    # Ends are carried out in the order in which they were ordered.
    in_trigger("after")
    after = Repair(cluster, "after")
    after.cancel()
    wait_until(lambda: not after.pids(), 45, "the end of a later one")
    assert stuck(cluster) == [builder]
    ended_by(cluster, "SELECT replicator_alter('numbered', rules => '{}')")
    cluster.query("DROP TRIGGER x ON after.t")


@pytest.mark.parametrize("pause", ["SELECT replicator_pause('chosen')", "SELECT replicator_pause_table('chosen', 't')"],
                         ids=["source", "table"])
def test_an_index_is_not_built_of_what_is_paused_as_it_is_chosen(cluster, copied, pause):
    copied("chosen")
    rules = """SELECT replicator_alter('chosen', rules => '{"indexes": {"t": ["((data->>''a''))"]}}')"""
    with cluster.waiting_at("index_chosen", lambda: cluster.query(rules)):
        worker, = cluster.waiting_processes("index_chosen")
        cluster.query(pause)
    wait_until(lambda: cluster.query("SELECT 1 FROM pg_stat_activity WHERE pid = %s", (worker,)) == [], 45, "the worker's end")
    assert cluster.query("SELECT state FROM replicator.target_index") == [("pending",)]


class Repair:
    """A repair of a source that is in code of its owner, which no cancel ends."""
    def __init__(self, cluster, name):
        self.cluster, self.name = cluster, name
        cluster.query(f"""UPDATE {name}.t SET data = data || '{{"b": "damaged"}}' WHERE id = '1'""")
        self.job = cluster.query("SELECT replicator_repair(%s, 't')", (name,))[0][0]
        wait_until(self.pids, what="the repair in the owner's code")
        self.pid, = self.pids()

    def pids(self):
        return [pid for (pid,) in self.cluster.query(
            "SELECT pid FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND objid = 77 AND granted "
            "AND application_name = 'pg_replicator repair of ' || %s", (self.name,))]

    def cancel(self):
        self.cluster.query("SELECT replicator_cancel_job(%s)", (self.job,))


def test_a_call_that_needs_the_turn_gets_it_from_a_worker_that_was_faster(cluster, in_trigger):
    """Which took it when the one before was ended, and before the call asked for it."""
    in_trigger("taken")
    repair = Repair(cluster, "taken")
    calls = []
    with cluster.waiting_at("turn_is_next", lambda: calls.append(
            Waiting(cluster, "SELECT replicator_alter('taken', exclude_tables => '{other}')"))):
        wait_until(lambda: repair.pids() not in ([], [repair.pid]), 240, "the next worker in the owner's code")
    assert calls[0].ended() is None
    cluster.query("SELECT replicator_pause('taken'); DROP TRIGGER x ON taken.t")


@pytest.fixture
def repairs(cluster, in_trigger):
    """Two of them, of the sources kept and canceled."""
    for name in ("kept", "canceled"):
        in_trigger(name)
    both = [Repair(cluster, name) for name in ("kept", "canceled")]
    yield both
    cluster.query("SELECT replicator_pause('kept'), replicator_pause('canceled')")
    wait_until(lambda: not both[0].pids() + both[1].pids(), what="their end")
    for name in ("kept", "canceled"):
        cluster.query(f"DROP FUNCTION {name}.fire() CASCADE; DROP FUNCTION {name}.loop()")


def assert_goes_on(kept, canceled):
    """Ends are carried out in the order in which they were ordered."""
    canceled.cancel()
    wait_until(lambda: not canceled.pids(), 45, "the end of the other")
    assert kept.pids() == [kept.pid]


@pytest.mark.parametrize("calls", [
    ["BEGIN; SAVEPOINT a; SELECT replicator_pause('kept'); ROLLBACK TO a; COMMIT"],
    ["BEGIN; SAVEPOINT a; SELECT replicator_pause_table('kept', 't'); ROLLBACK TO a; COMMIT"],
    ["BEGIN; SELECT replicator_pause('kept'); SAVEPOINT a; SELECT replicator_resume('kept'); RELEASE a; COMMIT"],
    ["SELECT replicator_pause('kept')", "SELECT replicator_resume('kept')"],
], ids=["rolled back", "of a table rolled back", "at once", "then"])
def test_a_pause_that_is_taken_back_ends_nobody(cluster, repairs, calls):
    kept, canceled = repairs
    for call in calls:
        cluster.query(call)
    assert_goes_on(kept, canceled)


def test_a_pause_stays_if_only_a_resume_is_rolled_back(cluster, repairs):
    kept, _ = repairs
    cluster.query("BEGIN; SELECT replicator_pause('kept'); SAVEPOINT a; SELECT replicator_resume('kept'); ROLLBACK TO a; COMMIT")
    wait_until(lambda: not kept.pids(), 45, "its end")


def test_a_pause_that_is_carried_out_after_the_resume_that_followed_it_ends_nobody(cluster, repairs):
    """Others see what a session has committed before it gets to what it does then."""
    kept, canceled = repairs
    calls = []
    with cluster.waiting_at("pause_ordered", lambda: calls.append(Waiting(cluster, "SELECT replicator_pause('kept')"))):
        cluster.query("SELECT replicator_resume('kept')")
    assert calls[0].ended() is None
    assert_goes_on(kept, canceled)


def test_a_cancelled_job_ends_nobody_who_is_at_the_next_one(cluster, repairs, in_trigger):
    _, canceled = repairs
    path = in_trigger("next")
    with contextlib.closing(sqlite3.connect(path, timeout=240)) as file:
        file.execute("BEGIN EXCLUSIVE")
        job = cluster.query("SELECT replicator_repair('next', 't')")[0][0]
        wait_until(lambda: cluster.query("SELECT phase FROM replicator_progress WHERE source = 'next'") == [("opening the source",)],
                   what=lambda: f"the job to wait for the file: {cluster.query('SELECT * FROM replicator_progress')}")
        calls = []
        with cluster.waiting_at("interrupt_ordered", lambda: calls.append(
                Waiting(cluster, f"SELECT replicator_cancel_job({job})"))):
            file.rollback()
            following = Repair(cluster, "next")
    assert calls[0].ended() is None
    assert_goes_on(following, canceled)
    cluster.query("SELECT replicator_pause('next')")
    wait_until(lambda: not following.pids(), what="its end")
