"""Called by test_lacks.py in a mount namespace: a stream and a refresh of two tables each, one of which has its target in
a tablespace of its own, which is full."""
import os
import pathlib
import sqlite3
import subprocess
import sys

TEST = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TEST / "servers"), str(TEST / "chaos")]

import disk  # noqa: E402
from private_cluster import PrivateCluster, wait_until  # noqa: E402

url, socket, client = sys.argv[1:]
disk.BYTES = 8 << 20
LARGE = 20  # kB of a row, which cannot be compressed


def at_source(sql):
    subprocess.run([client, "--no-defaults", f"--socket={socket}", "-uroot", "shop"], input=sql.encode(), check=True)


def in_file(sql):
    file = sqlite3.connect(path, timeout=240)
    file.executescript(sql)
    file.commit()
    file.close()


def table(source, name):
    return cluster.query('SELECT to_jsonb(t) FROM replicator_tables t WHERE source = %s AND "table" = %s', (source, name))[0][0]


def ways(schema, name):
    return [way for way, in cluster.query(f"SELECT DISTINCT data->>'way' FROM {schema}.{name}")]


def aside(source):
    """The table that waits, between two attempts."""
    return wait_until(lambda: (row := table(source, "bad"))["consistency"] == "no room" and row["last_error"] and row, 240,
                      lambda: f"it to wait: {table(source, 'bad')}")


cluster = PrivateCluster()
small = None
try:
    try:
        small = disk.SmallDisk(os.path.join(cluster.directory, "disk"))
    except PermissionError as error:
        print(error)
        sys.exit(77)
    cluster.give_to_server(small.directory)
    cluster.query("CREATE TABLESPACE small LOCATION %s", (small.directory,))
    path = os.path.join(cluster.directory, "file.db")
    in_file("CREATE TABLE bad (id INTEGER PRIMARY KEY, way TEXT); CREATE TABLE good (id INTEGER PRIMARY KEY, way TEXT);"
            "INSERT INTO bad VALUES (1, ''); INSERT INTO good VALUES (1, '')")
    cluster.give_to_server(path)
    cluster.query("CREATE EXTENSION pg_replicator")
    cluster.query("SELECT replicator_init(%s, name => 'stream', target_schema => 'stream')", (url,))
    cluster.query("SELECT replicator_init(%s, name => 'file', target_schema => 'file')", (f"sqlite://{path}",))
    cluster.wait_for_state("stream", "streaming")
    cluster.wait_for_copy("file")
    cluster.query("ALTER TABLE stream.bad SET TABLESPACE small; ALTER TABLE file.bad SET TABLESPACE small")
    small.fill()

    text = "".join(f"MD5(RAND() + {n})," for n in range(LARGE * 32)).rstrip(",")
    at_source(f"BEGIN; INSERT INTO bad SELECT 1 + seq, CONCAT({text}) FROM seq_1_to_20; UPDATE good SET way = 'new'; COMMIT")
    wait_until(lambda: ways("stream", "good") == ["new"], 240, lambda: f"the other table: {cluster.status('stream')}")
    row = aside("stream")
    assert row["locked_since"] is None and row["state"] == "pending", row
    assert "pg_tblspc/" in row["last_error"] and "Make room" in row["hint"], row
    status = wait_until(lambda: (s := cluster.status("stream"))["last_error"] and s, 240, "an error")
    assert "bad: it has no room" in status["last_error"] and "no room" in status["hint"], status
    for value in ("newer", "newest"):  # it stays so, and the stream goes on
        at_source(f"UPDATE good SET way = '{value}'")
        wait_until(lambda: ways("stream", "good") == [value], 240, "the other table")
    assert cluster.status("stream")["state"] == "copying"

    in_file("INSERT INTO bad WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 20) "
            f"SELECT i, hex(randomblob({LARGE << 10})) FROM n; UPDATE good SET way = 'new'")
    cluster.query("SELECT replicator_sync('file')")
    wait_until(lambda: ways("file", "good") == ["new"], 240, lambda: f"the other table: {cluster.status('file')}")
    assert "pg_tblspc/" in aside("file")["last_error"]

    small.free()
    cluster.query("CALL replicator_wait('stream', '240 s')")
    cluster.wait_for_copy("file")
    assert cluster.query("SELECT count(*), min(length(data->>'way')) FROM stream.bad WHERE id <> '1'") == [(20, LARGE << 10)]
    assert cluster.query("SELECT count(*) FROM file.bad") == [(20,)]
    assert table("stream", "bad")["consistency"] == "transaction" and table("file", "bad")["consistency"] == "state"
    assert cluster.status("stream")["state"] == "streaming" and cluster.status("file")["last_error"] is None
    assert cluster.query("SELECT * FROM replicator_quarantine") == []
    cluster.check_log()
finally:
    cluster.destroy(check=False)
    if small:
        small.unmount(keep=False)
