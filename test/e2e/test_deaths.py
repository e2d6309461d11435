"""Work that kills its process: tried three times, then its table, job or index fails, and the others go on."""
import os
import sqlite3

import pytest

from private_cluster import wait_until
from observing import finished


@pytest.fixture
def deadly(cluster):
    """Arms a point that ends every process which gets there, until the returned function is called."""
    def arm(point):
        cluster.fail_at(point + ":always")
        return lambda: os.unlink(cluster.failure_file())
    yield arm
    if os.path.exists(cluster.failure_file()):
        os.unlink(cluster.failure_file())


def table(cluster, source, name):
    rows = cluster.query_when_up('SELECT to_jsonb(t) FROM replicator_tables t WHERE source = %s AND "table" = %s', (source, name))
    return rows[0][0] if rows else {"state": None}


def wait_for_failure_of(cluster, source, name):
    wait_until(lambda: table(cluster, source, name)["state"] == "failed", 240, lambda: f"{name} to fail: {table(cluster, source, name)}")
    failed = table(cluster, source, name)
    assert "died 3 times in a row" in failed["last_error"] and f"table {name}" in failed["last_error"], failed
    assert "server log" in failed["hint"]
    return failed


TWO = ("CREATE TABLE good (id INTEGER PRIMARY KEY, v INT); INSERT INTO good VALUES (1, 1), (2, 2);"
       "CREATE TABLE poison (id INTEGER PRIMARY KEY, v INT); INSERT INTO poison VALUES (1, 1), (2, 2);")


def test_a_chunk_a_comparison_and_a_merge_are_tried_three_times(cluster, database, source, deadly, assert_equal):
    path = database("deadly.db", TWO)
    disarm = deadly("copy_chunk poison")
    source(path, "deadly")
    wait_for_failure_of(cluster, "deadly", "poison")
    wait_until(lambda: table(cluster, "deadly", "good")["state"] == "idle", 240, "its neighbour to be copied")
    cluster.wait_for_copy("deadly")
    # Neither do later refreshes try it.
    cluster.query_when_up("SELECT replicator_sync('deadly')")
    cluster.wait_for_copy("deadly")
    assert table(cluster, "deadly", "poison")["state"] == "failed"
    disarm()
    cluster.query_when_up("SELECT replicator_resync('deadly', 'poison')")
    cluster.wait_for_copy("deadly")
    assert_equal(path, "deadly")

    disarm = deadly("compare_table poison")
    job = cluster.query_when_up("SELECT replicator_verify('deadly')")[0][0]
    wait_until(lambda: cluster.query_when_up("SELECT 1 FROM replicator.job WHERE id = %s AND state = 'failed'", (job,)), 240,
               "the job to fail")
    tables = finished(cluster, job)
    assert tables["good"]["state"] == "done" and tables["poison"]["state"] == "failed"
    error, = cluster.query_when_up("SELECT last_error FROM replicator.job_table WHERE job_id = %s AND state = 'failed'", (job,))[0]
    assert "died 3 times in a row while it was comparing table poison" in error
    disarm()

    connection = sqlite3.connect(path)
    connection.execute("UPDATE good SET v = 10")
    connection.execute("UPDATE poison SET v = 10")
    connection.commit()
    connection.close()
    disarm = deadly("merge_rows poison")
    cluster.query_when_up("SELECT replicator_sync('deadly')")
    wait_for_failure_of(cluster, "deadly", "poison")
    cluster.wait_for_copy("deadly")
    assert cluster.query_when_up("SELECT DISTINCT data->>'v' FROM deadly.good") == [("10",)]
    disarm()
    cluster.query_when_up("SELECT replicator_resync('deadly', 'poison')")
    cluster.wait_for_copy("deadly")
    assert_equal(path, "deadly")
    assert cluster.query_when_up("SELECT sum(deaths) FROM replicator.source_table") == [(0,)]


def test_who_is_ended_because_another_died_has_not_died_of_its_work(cluster, database, source):
    path = database("innocent.db", TWO)
    deaths = ("SELECT (SELECT coalesce(sum(deaths), 0) FROM replicator.source_table)"
              " + (SELECT coalesce(sum(deaths), 0) FROM replicator.source_state)")
    copying = "SELECT pid FROM replicator_progress WHERE phase IN ('copying', 'comparing and staging') AND \"table\" = 'poison'"
    with cluster.waiting_at("copy_chunk poison", lambda: source(path, "innocent")):
        worker = wait_until(lambda: cluster.query_when_up(copying), 240, "the copy")[0][0]
        victim = cluster.connect()
        cluster.kill(victim.get_backend_pid())
        again = wait_until(lambda: [row for row in cluster.query_when_up(copying) if row[0] != worker], 240, "another worker")[0][0]
        victim.close()
        assert cluster.query_when_up(deaths) == [(0,)]
        cluster.kill(again)
        wait_until(lambda: cluster.query_when_up(deaths) == [(1,)], 240, "its death to be counted")
    cluster.wait_for_copy("innocent")
    assert cluster.query_when_up(deaths) == [(0,)], "progress forgets it"
    wait_until(lambda: not os.listdir(os.path.join(cluster.data, "pgsql_tmp_pg_replicator_work")), 240, "the notes to be gone")


def test_the_build_of_an_index_is_tried_three_times(cluster, database, source, deadly):
    disarm = deadly("index_analysed")
    source(database("indexed.db", TWO), "indexed", rules='{"indexes": {"poison": ["data->>\'v\'"]}}')
    index = "SELECT state, last_error FROM replicator_indexes WHERE source = 'indexed'"
    wait_until(lambda: [row[0] for row in cluster.query_when_up(index)] == ["failed"], 60,
               lambda: f"the index to fail: {cluster.query_when_up(index)}")
    assert "died 3 times in a row while it was building the index" in cluster.query_when_up(index)[0][1]
    assert table(cluster, "indexed", "poison")["state"] == "idle"
    disarm()
    cluster.query_when_up("SELECT replicator_resume('indexed')")
    wait_until(lambda: [row[0] for row in cluster.query_when_up(index)] == ["ready"], 60, "the index")


def test_a_trigger_whose_error_ends_the_worker_is_tried_three_times(cluster, database, source):
    path = database("fatal.db", TWO)
    source(path, "fatal")
    cluster.wait_for_copy("fatal")
    cluster.query("CREATE FUNCTION fatal.end() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                  "PERFORM set_config('exit_on_error', 'on', false); RAISE 'the end' USING ERRCODE = '57P01'; END $$; "
                  "CREATE TRIGGER \"end\" BEFORE UPDATE ON fatal.poison FOR EACH ROW EXECUTE FUNCTION fatal.end(); ALTER TABLE "
                  "fatal.poison ENABLE ALWAYS TRIGGER \"end\"")
    connection = sqlite3.connect(path)
    connection.executescript("UPDATE good SET v = 10; UPDATE poison SET v = 10")
    connection.close()
    cluster.query("SELECT replicator_sync('fatal')")
    wait_for_failure_of(cluster, "fatal", "poison")
    cluster.wait_for_copy("fatal")
    assert cluster.query("SELECT DISTINCT data->>'v' FROM fatal.good") == [("10",)]
    # Another way to end what a worker is: its lock.
    cluster.query("CREATE OR REPLACE FUNCTION fatal.end() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_unlock_all(); "
                  "RETURN NEW; END $$")
    cluster.query("SELECT replicator_resync('fatal', 'poison')")
    cluster.wait_for_copy("fatal")
    assert "pg_advisory_unlock_all cannot be called" in table(cluster, "fatal", "poison")["reason"]


def test_a_worker_that_is_ended_before_it_has_begun_is_followed_by_another(cluster, database, source):
    with cluster.waiting_at("worker_begins", lambda: source(database("begun.db", TWO), "begun")):
        pid = cluster.workers("source worker")[0]
        cluster.query("SELECT pg_terminate_backend(%s)", (pid,))
    wait_until(lambda: cluster.status("begun")["state"] == "idle", 45, "the copy by another")
    assert pid not in cluster.workers("source worker")


def test_a_disk_too_full_for_the_log_is_not_the_fault_of_the_work(cluster, database, source):
    def deaths():
        return cluster.log_text().count("a process died while it was")
    before = deaths()
    cluster.fail_at("copy_chunk poison:full")
    source(database("full.db", TWO), "full")
    cluster.wait_for_failure()
    wait_until(lambda: cluster.query_when_up("SELECT 1 FROM replicator_status WHERE name = 'full' AND state = 'idle'"), 240, "the copy")
    assert "PANIC:  failure point copy_chunk poison was reached" in cluster.log_text()
    assert deaths() == before


def test_of_a_chunk_that_was_interrupted_more_is_kept(cluster, database, source, many_rows, assert_equal):
    path = database("kept.db", many_rows(60_000))
    cluster.fail_at("chunk_written:error")
    source(path, "kept", options='{"copy_workers_per_source": 0, "retry_initial": "1h", "retry_max": "1h"}')
    cluster.wait_for_state("kept", "backing_off")
    cluster.fail_at("chunk_committed")
    cluster.query("SELECT replicator_resume('kept')")
    cluster.wait_for_failure()
    chunks = "SELECT c.state, c.rows FROM replicator.chunk c JOIN replicator.source_table t ON t.id = c.table_id WHERE t.name = 't'"
    state, rows = cluster.query_when_up(chunks)[0]
    assert state != "done" and 0 < rows < 60_000
    cluster.wait_for_copy("kept")
    assert_equal(path, "kept")


@pytest.mark.parametrize("point", ["apply_table", "take_apart"])
def test_a_batch_of_a_stream_finds_its_table_and_the_others_go_on(cluster, mariadb, deadly, point):
    name = point
    mariadb.run(f"CREATE DATABASE {name}; USE {name}; CREATE TABLE good (id INT PRIMARY KEY, v INT);"
                "CREATE TABLE poison (id INT PRIMARY KEY, v INT); INSERT INTO good VALUES (1, 1); INSERT INTO poison VALUES (1, 1)")
    cluster.query_when_up("SELECT replicator_init(%s, name => %s, target_schema => %s, mode => 'continuous')",
                  (mariadb.url(name), name, name))
    cluster.wait_for_state(name, "streaming")
    disarm = deadly(f"{point} poison")
    mariadb.run(f"USE {name}; BEGIN; UPDATE good SET v = 2; UPDATE poison SET v = 2; INSERT INTO good VALUES (2, 2); COMMIT")
    wait_for_failure_of(cluster, name, "poison")
    wait_until(lambda: cluster.query_when_up(f"SELECT count(*) FROM {name}.good WHERE data->>'v' = '2'") == [(2,)], 240, "its neighbour")
    disarm()
    cluster.query_when_up("SELECT replicator_resync(%s, 'poison')", (name,))
    cluster.query_when_up("CALL replicator_wait(%s, '60 s')", (name,))
    assert cluster.query_when_up(f"SELECT data->>'v' FROM {name}.poison") == [("2",)]
    cluster.query_when_up("SELECT replicator_drop(%s, drop_tables => true)", (name,))


def test_a_stream_that_dies_between_its_batches_fails_the_source(cluster, mariadb, deadly):
    mariadb.run("CREATE DATABASE between_batches; USE between_batches; CREATE TABLE good (id INT PRIMARY KEY, v INT)")
    cluster.query_when_up("SELECT replicator_init(%s, name => 'between', target_schema => 'between', mode => 'continuous')",
                          (mariadb.url("between_batches"),))
    cluster.wait_for_state("between", "streaming")
    disarm = deadly("between_batches")
    wait_until(lambda: cluster.status("between")["state"] == "failed", 60, lambda: f"the source to fail: {cluster.status('between')}")
    assert "died 3 times in a row while it was reading the source" in cluster.status("between")["last_error"]
    disarm()
    cluster.query_when_up("SELECT replicator_resume('between')")
    cluster.wait_for_state("between", "streaming")
    cluster.query_when_up("SELECT replicator_drop('between', drop_tables => true)")


def test_the_refresh_of_a_table_without_a_key_is_tried_three_times(cluster, mariadb, deadly):
    mariadb.run("CREATE DATABASE keyless; USE keyless; CREATE TABLE good (id INT PRIMARY KEY, v INT); CREATE TABLE poison (v INT);"
                "INSERT INTO good VALUES (1, 1); INSERT INTO poison VALUES (1)")
    cluster.query_when_up("SELECT replicator_init(%s, name => 'keyless', target_schema => 'keyless', mode => 'continuous')",
                          (mariadb.url("keyless"),))
    cluster.wait_for_state("keyless", "streaming")
    wait_until(lambda: table(cluster, "keyless", "poison")["state"] == "idle", 60,
               lambda: f"the table: {table(cluster, 'keyless', 'poison')}")
    disarm = deadly("keyless_rows_staged")
    mariadb.run("USE keyless; INSERT INTO poison VALUES (2); UPDATE good SET v = 2")
    cluster.query_when_up("SELECT replicator_sync('keyless')")
    wait_for_failure_of(cluster, "keyless", "poison")
    wait_until(lambda: cluster.query_when_up("SELECT data->>'v' FROM keyless.good") == [("2",)], 60, "its neighbour")
    disarm()
    cluster.query_when_up("SELECT replicator_resync('keyless', 'poison')")
    cluster.query_when_up("CALL replicator_wait('keyless', '60 s')")
    assert cluster.query_when_up("SELECT count(*) FROM keyless.poison") == [(2,)]
    cluster.query_when_up("SELECT replicator_drop('keyless', drop_tables => true)")


@pytest.mark.parametrize("point", ["before_primary_key", "merge_table"])
def test_the_end_of_a_copy_is_tried_three_times(cluster, database, source, deadly, point):
    path = database(f"{point}.db", TWO)
    name = source(path, point)
    cluster.wait_for_copy(name)
    disarm = deadly(point)
    if point == "before_primary_key":
        cluster.query_when_up(f"DROP TABLE {point}.good")
    cluster.query_when_up(f"SELECT replicator_sync('{point}')")
    failed = f"SELECT 1 FROM replicator_status WHERE name = '{point}' AND last_error LIKE '%died 3 times in a row%'"
    wait_until(lambda: cluster.query_when_up(failed), 240, "the source or its table to fail")
    disarm()
