"""Files, memory, disk and limits that are lacking (SQLSTATEs of the classes 53 and 58): what concerns one row or table
stops no other. Two tables: `bad`, and `good`, which is always brought up to date."""
import os
import pathlib
import sqlite3
import subprocess

import pytest

from private_cluster import wait_until


@pytest.fixture
def two(cluster, database, source):
    """A source with both tables; rows of `bad` say what happens to them."""
    rows = "(id INTEGER PRIMARY KEY, way TEXT); INSERT INTO {} VALUES (1, ''), (2, '')"
    path = database("two.db", *(f"CREATE TABLE {table} " + rows.format(table) for table in ("bad", "good")))
    cluster.wait_for_copy(source(path, "two"))
    yield path
    cluster.query_when_up("DROP FUNCTION IF EXISTS lacking() CASCADE")


def changed(path, *statements):
    file = sqlite3.connect(path, timeout=240)
    for statement in statements:
        file.execute(statement)
    file.commit()
    file.close()


def good_is(cluster, way):
    return cluster.query_when_up("SELECT DISTINCT data->>'way' FROM two.good") == [(way,)]


def table(cluster, name):
    return cluster.query_when_up('SELECT to_jsonb(t) FROM replicator_tables t WHERE source = \'two\' AND "table" = %s', (name,))[0][0]


def refuse_by(cluster, body, settings=""):
    cluster.query(f"CREATE FUNCTION lacking() RETURNS trigger LANGUAGE plpgsql {settings} AS $$BEGIN {body} RETURN NEW; END$$; "
                  "CREATE TRIGGER lacking BEFORE INSERT OR UPDATE ON two.bad FOR EACH ROW EXECUTE FUNCTION lacking(); "
                  "ALTER TABLE two.bad ENABLE ALWAYS TRIGGER lacking")


# While it runs, others find no memory for locks either: what asks meanwhile has to ask again (query_when_up).
ALL_LOCKS = "PERFORM pg_advisory_xact_lock(i) FROM generate_series(1, 1000000) i;"

WAYS = {  # what code of an owner does, and the SQLSTATE that the server gives to it
    "load": ("LOAD 'none';", "58P01"),
    "read": ("PERFORM pg_read_file('/none');", "58P01"),
    "list": ("PERFORM pg_ls_dir('/none');", "58P01"),
    "copy": ("COPY two.good FROM '/none';", "58P01"),
    "large object": ("PERFORM lo_import('/none');", "58P01"),
    "sort": ("PERFORM count(*) FROM (SELECT generate_series(1, 300000) AS i ORDER BY 1 DESC) s;", "53400"),
}


def test_what_code_of_the_owner_lacks_concerns_its_row(cluster, two):
    branches = " ".join(f"IF NEW.data->>'way' = '{way}' THEN {does} END IF;" for way, (does, _) in WAYS.items())
    refuse_by(cluster, branches, "SET temp_file_limit = '64kB' SET work_mem = '64kB'")
    changed(two, *(f"INSERT INTO bad VALUES ({10 + n}, '{way}')" for n, way in enumerate(WAYS)),
            "INSERT INTO bad VALUES (100, 'fine')", "UPDATE good SET way = 'new'")
    cluster.query("SELECT replicator_sync('two')")
    cluster.wait_for_copy("two")
    codes = dict(cluster.query("SELECT key, sqlstate FROM replicator_quarantine"))
    assert set(codes) == {str(10 + n) for n in range(len(WAYS))}, [table(cluster, "bad")[k] for k in ("state", "last_error", "hint")]
    for n, (_, code) in enumerate(WAYS.values()):
        assert codes[str(10 + n)].startswith(code), codes
    assert good_is(cluster, "new") and cluster.query("SELECT 1 FROM two.bad WHERE id = '100'") == [(1,)]
    # A function of the server's own, which no hook meets.
    cluster.query("ALTER TABLE two.bad ADD CONSTRAINT reads CHECK (data->>'way' <> 'check' OR pg_read_file('/none') = '')")
    changed(two, "INSERT INTO bad VALUES (101, 'check')", "UPDATE good SET way = 'newer'")
    cluster.query("SELECT replicator_sync('two')")
    cluster.wait_for_copy("two")
    assert dict(cluster.query("SELECT key, sqlstate FROM replicator_quarantine"))["101"].startswith("58P01")
    assert good_is(cluster, "newer") and cluster.status("two")["state"] == "idle"


def test_a_table_whose_code_finds_no_memory_waits_aside(cluster, two):
    refuse_by(cluster, ALL_LOCKS)
    changed(two, "UPDATE bad SET way = 'more'", "UPDATE good SET way = 'new'")
    cluster.query_when_up("SELECT replicator_sync('two')")
    wait_until(lambda: good_is(cluster, "new"), what="the other table's rows")
    status = wait_until(lambda: (s := cluster.status("two"))["state"] == "backing_off" and s, what="the source to back off")
    assert "no room" in status["last_error"] and "replicator_tables.last_error" in status["hint"], status
    row = wait_until(lambda: (r := table(cluster, "bad"))["state"] == "pending" and r, what="the table to wait")  # it may just be tried
    assert (row["consistency"], row["locked_since"]) == ("no room", None)
    assert "out of shared memory" in row["last_error"] and "Make room" in row["hint"]
    assert cluster.query_when_up("SELECT count(*) FROM replicator_events WHERE source = 'two' AND action = 'table lacks room'") == [(1,)]
    cluster.query_when_up("DROP FUNCTION lacking() CASCADE")
    cluster.wait_for_copy("two")
    assert cluster.query_when_up("SELECT DISTINCT data->>'way' FROM two.bad") == [("more",)]
    assert table(cluster, "bad")["consistency"] == "state" and cluster.query_when_up("SELECT * FROM replicator_quarantine") == []
    wait_until(lambda: cluster.query_when_up("SELECT count(*) FROM replicator_events WHERE source = 'two' AND action = 'table recovered'")
               == [(1,)], what="the event")


def test_a_table_that_waits_aside_delays_no_refresh_of_the_others(cluster, database, source):
    path = database("soon.db", "CREATE TABLE bad (id INTEGER PRIMARY KEY); CREATE TABLE good (id INTEGER PRIMARY KEY)")
    source(path, "two", mode="periodic", refresh_interval="1 s", options='{"retry_initial": "1h", "retry_max": "1h"}')
    cluster.wait_for_state("two", "idle")
    refuse_by(cluster, ALL_LOCKS)
    try:
        changed(path, "INSERT INTO bad VALUES (2)")
        cluster.wait_for_state("two", "backing_off")
        for n in (1, 2):
            changed(path, f"INSERT INTO good VALUES ({n})")
            wait_until(lambda n=n: cluster.query_when_up("SELECT count(*) FROM two.good") == [(n,)], 45, "the other table's row")
    finally:
        cluster.query_when_up("DROP FUNCTION lacking() CASCADE")


def test_a_missing_file_concerns_its_table(cluster, two):
    file = cluster.query("SELECT pg_relation_filepath('two.bad')")[0][0]
    cluster.stop()
    os.rename(os.path.join(cluster.data, file), os.path.join(cluster.data, "kept"))
    cluster.start()
    try:
        changed(two, "UPDATE bad SET way = 'more'", "UPDATE good SET way = 'new'")
        cluster.query("SELECT replicator_sync('two')")
        wait_until(lambda: table(cluster, "bad")["state"] == "failed", what=lambda: f"it to fail: {cluster.status('two')}")
        assert file in table(cluster, "bad")["last_error"]
        wait_until(lambda: good_is(cluster, "new"), what="the other table's rows")
        assert cluster.status("two")["state"] == "idle"
    finally:
        cluster.stop()
        os.rename(os.path.join(cluster.data, "kept"), os.path.join(cluster.data, file))
        cluster.start()
    cluster.query("SELECT replicator_sync('two')")
    cluster.wait_for_copy("two")
    assert cluster.query("SELECT DISTINCT data->>'way' FROM two.bad") == [("more",)]


def test_a_full_tablespace_concerns_its_tables(mariadb):
    """In a process of its own, since the disk is seen in a namespace of its own."""
    if os.getuid() != 0:
        pytest.skip("only root may mount")
    mariadb.run("DROP DATABASE IF EXISTS shop; CREATE DATABASE shop; USE shop; CREATE TABLE bad (id INT PRIMARY KEY, way TEXT); "
                "CREATE TABLE good LIKE bad; INSERT INTO bad VALUES (1, ''); INSERT INTO good VALUES (1, '')")
    script = pathlib.Path(__file__).with_name("on_a_full_tablespace.py")
    result = subprocess.run(["unshare", "-m", "--propagation", "private", "/usr/bin/python3", script, mariadb.url("shop"), mariadb.socket,
                             mariadb.client[0]], capture_output=True, text=True, timeout=900)
    if result.returncode == 77:
        pytest.skip(result.stdout)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
