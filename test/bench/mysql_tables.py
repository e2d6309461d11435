"""An install script at the source: MariaDB makes tables while its others are followed, and are left out. How long the script
takes, and until the target has all of them.

    BENCH_TABLES=2000 followed, BENCH_TABLES_LEFT_OUT=1500 left out, BENCH_TABLES_MADE=500"""
import os
import time

from mysql_servers import MariaDbServer
from private_cluster import PrivateCluster

FOLLOWED, LEFT_OUT, MADE = (int(os.environ.get(name, default)) for name, default in
                            (("BENCH_TABLES", 2000), ("BENCH_TABLES_LEFT_OUT", 1500), ("BENCH_TABLES_MADE", 500)))


def made(prefix, count):
    return "".join(f"CREATE TABLE {prefix}{i} (id INT PRIMARY KEY, v VARCHAR(20)); INSERT INTO {prefix}{i} VALUES (1, 'x');" for i
                   in range(count))


def bench_tables():
    cluster = PrivateCluster()
    server = MariaDbServer()
    try:
        cluster.query("CREATE EXTENSION pg_replicator")
        server.run("CREATE DATABASE d; USE d;" + made("t", FOLLOWED) + made("out", LEFT_OUT))
        cluster.query("SELECT replicator_init(%s, name => 's', target_schema => 's', exclude_tables => '{out*}')", (server.url("d"),))
        cluster.query("CALL replicator_wait('s', '1 hour')")
        began = time.monotonic()
        server.run(made("new", MADE), "d")
        written = time.monotonic() - began
        cluster.query("CALL replicator_wait('s', '1 hour')")
        took = time.monotonic() - began
        assert cluster.query("SELECT count(*) FROM replicator_tables WHERE state = 'streaming'")[0][0] == FOLLOWED + MADE
        print(f"{MADE} tables made in {written:.1f} s beside {FOLLOWED} and {LEFT_OUT} left out; here after {took:.1f} s: "
              f"{1000 * took / MADE:.1f} ms each", flush=True)
        return [("tables made at the source: s until they are here, and s that the script took", took, written, took / written, "", True)]
    finally:
        cluster.destroy()
        server.destroy()

