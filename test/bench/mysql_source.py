"""A MariaDB server with the benches' rows, and a cluster that replicates it as the source `bench`."""
import contextlib
import os
import time

import pymysql

from measuring import SETTINGS, peak_kb  # noqa: I001 (it says where to find what follows)

from mysql_servers import MariaDbServer
from private_cluster import PrivateCluster, wait_until

# The server's memory is no part of the comparison: everything that is read comes from it. All changes of a bench fit
# into one file of the log.
SOURCE_SETTINGS = {"innodb-buffer-pool-size": "1G", "innodb-log-file-size": "1G", "max-binlog-size": "1G",
                   "binlog-checksum": "CRC32"}
PEER_PASSWORD = "peer"
COLUMNS = """(id BIGINT PRIMARY KEY, a INT, b INT, v1 VARCHAR(40), v2 VARCHAR(40), d DECIMAL(12,2), ts DATETIME(6), x DOUBLE,
    note TEXT, j JSON, bin BINARY(16))"""
# The shape of measuring.generate, for `seq` rows of a sequence. Each RAND has a seed of its own.
VALUES = """seq, FLOOR(RAND(1) * 2147483647), FLOOR(RAND(2) * 1000), CONCAT('customer name ', FLOOR(RAND(3) * 1e9)),
    CONCAT('street ', FLOOR(RAND(4) * 1e6), ' city ', FLOOR(RAND(5) * 1e5)), FLOOR(RAND(6) * 1e9) / 100,
    TIMESTAMPADD(MICROSECOND, FLOOR(RAND(7) * 3e13), '2024-01-01'), RAND(8) * 1e6,
    IF(seq % 3 = 0, CONCAT('some longer note text number ', seq, ' with words in it'), NULL),
    CONCAT('{"k": ', FLOOR(RAND(9) * 1e6), ', "tags": ["a", "b"], "ok": true}'), UNHEX(MD5(seq))"""


def generate(server, table, rows):
    """Replaces `table`. Not logged."""
    server.run(f"SET sql_log_bin = 0; DROP TABLE IF EXISTS {table}; CREATE TABLE {table} {COLUMNS}; "
               f"INSERT INTO {table} SELECT {VALUES} FROM seq_1_to_{rows}", "bench")


def write_all_pages(server):
    """Lets the server do at once what it would do some time after it has got its rows."""
    server.run("SET GLOBAL innodb_io_capacity_max = 100000, innodb_io_capacity = 100000, innodb_max_dirty_pages_pct_lwm = 0, "
               "innodb_max_dirty_pages_pct = 0")
    wait_until(lambda: int(server.query("SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_dirty'")[0][1]) < 100,
               what="its pages to be written")


@contextlib.contextmanager
def mysql_bench(rows, **settings):
    """The server with so many rows in bench.src, and a cluster with the extension."""
    server = cluster = None
    try:
        server = MariaDbServer(SOURCE_SETTINGS)
        server.run("CREATE DATABASE bench CHARACTER SET utf8mb4")
        server.create_user("peer", PEER_PASSWORD, "ALL ON bench.*")
        print(f"generating {rows} rows in {server.value('SELECT version()')}", flush=True)
        generate(server, "src", rows)
        cluster = PrivateCluster({**SETTINGS, **settings})
        cluster.query("CREATE EXTENSION pg_replicator")
        yield server, cluster
    finally:
        if cluster is not None:
            cluster.destroy(check=False)
        if server is not None:
            server.destroy()


def connect(server, user="peer", password=PEER_PASSWORD):
    """A client of the source, for writers."""
    return pymysql.connect(unix_socket=server.socket, user=user, password=password, database="bench",
                           charset="utf8mb4", autocommit=True)


def follow(server, cluster, peaks=None):
    """Registers the source and waits until it streams; one connection, so that to be watched costs little."""
    with contextlib.closing(cluster.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT replicator_init(%s, name => 'bench', target_schema => 'bench')", (server.url("bench"),))
        state = ""
        while state != "streaming":
            time.sleep(0.05)  # the interval of looking; part of the measured time
            cursor.execute("SELECT st.state, st.last_error FROM replicator.source_state st")
            state, error = cursor.fetchone()
            assert state not in ("failed", "backing_off"), error
            if peaks is not None:
                cursor.execute("SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'pg_replicator%'")
                peak_kb([row[0] for row in cursor.fetchall()], peaks)


def unfollow(cluster):
    cluster.query("SELECT replicator_drop('bench', drop_tables => true)")


def pause(cluster):
    cluster.query("SELECT replicator_pause('bench')")
    wait_until(lambda: not cluster.workers("source worker"), what="the source worker's end")


def memory_mb(pid, field):
    """A line of /proc/PID/status; None if the process has ended."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError), open(f"/proc/{pid}/status") as status:
        for line in status:
            if line.startswith(field + ":"):
                return int(line.split()[1]) / 1024
    return None


def log_file(server):
    """The file of the log that is being written."""
    return os.path.join(server.data, server.query("SHOW MASTER STATUS")[0][0])
