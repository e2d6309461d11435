"""Called by test_mysql_failures.py in a mount namespace: follows a server into tables on a small disk, and fills it."""
import os
import pathlib
import subprocess
import sys

TEST = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TEST / "servers"), str(TEST / "chaos")]

import disk  # noqa: E402
from private_cluster import PrivateCluster, wait_until  # noqa: E402

url, socket, client = sys.argv[1:]
disk.BYTES = 64 << 20


def at_source(sql):
    subprocess.run([client, "--no-defaults", f"--socket={socket}", "-uroot", "shop"], input=sql.encode(), check=True)


def query(sql, *parameters):
    return cluster.query(sql, parameters or None, database="small")


at_source("CREATE TABLE wide (id INT PRIMARY KEY AUTO_INCREMENT, v INT, filler VARCHAR(2000))")
cluster = PrivateCluster()
small = None
try:
    try:
        small = disk.SmallDisk(os.path.join(cluster.directory, "disk"))
    except PermissionError as error:
        print(error)
        sys.exit(77)
    cluster.give_to_server(small.directory)
    cluster.query(f"CREATE TABLESPACE small LOCATION '{small.directory}'")
    cluster.query("CREATE DATABASE small TABLESPACE small")
    query("CREATE EXTENSION pg_replicator")
    query("SELECT replicator_init(%s, name => 's', target_schema => 's')", url)
    cluster.wait_for_state("s", "streaming", database="small")
    small.fill()
    rows = "SELECT 0, REPEAT('y', 100) FROM information_schema.columns a, (SELECT 1 FROM information_schema.columns LIMIT 40) b LIMIT 40000"
    at_source(f"INSERT INTO wide (v, filler) {rows}; UPDATE wide SET v = v + 1 WHERE id % 3 = 0; DELETE FROM wide WHERE id % 7 = 0")
    wait_until(lambda: "No space left" in cluster.log_text(), 240, "the disk to be full")
    assert cluster.query("SELECT 1") == [(1,)]
    small.free()
    query("SELECT 1")
    wait_until(lambda: cluster.status("s", "small")["state"] == "streaming", 240, lambda: f"it to go on: {cluster.status('s', 'small')}")
    query("CALL replicator_wait('s', '240 s')")
    theirs = subprocess.run([client, "--no-defaults", f"--socket={socket}", "-uroot", "-BN", "shop", "-e",
                             "SELECT count(*), sum(v), sum(id) FROM wide"],
                            check=True, capture_output=True, text=True).stdout.split()
    ours = query("SELECT count(*), sum((data->>'v')::int), sum(id::int) FROM s.wide")[0]
    assert [str(number) for number in ours] == theirs, (ours, theirs)
    assert query("SELECT * FROM replicator_quarantine") == []
    cluster.check_log()
finally:
    cluster.destroy(check=False)
    if small:
        small.unmount(keep=False)
