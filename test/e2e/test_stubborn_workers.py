"""Code of an owner that goes on whatever cancels it does not outlive what it was run for."""
import sqlite3

import pytest

from private_cluster import wait_until

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
