"""Memory: a copy of so many rows and of ten times as many, and one large transaction, which must be seen whole or not at
all.

    BENCH_MEMORY_ROWS=200000; BENCH_TRANSACTION_MB=1024"""
import contextlib
import os
import threading
import time

from measuring import SETTINGS
from mysql_source import follow, generate, memory_mb, mysql_bench, unfollow

ROWS_OF_SMALL = int(os.environ.get("BENCH_MEMORY_ROWS", 200_000))
TRANSACTION_MB = int(os.environ.get("BENCH_TRANSACTION_MB", 1024))
ROW_BYTES = 1024
FIELDS = ("VmHWM", "RssAnon")


class Watch:
    """Peaks of our workers in MB, by kind: with the shared buffers that they have touched, and without."""

    def __init__(self, cluster):
        self.cluster, self.peaks, self.stopped = cluster, {}, threading.Event()
        self.thread = threading.Thread(target=self.look)

    def __enter__(self):
        self.thread.start()
        return self.peaks

    def __exit__(self, *_):
        self.stopped.set()
        self.thread.join()

    def look(self):
        with contextlib.closing(self.cluster.connect()) as connection, connection.cursor() as cursor:
            while not self.stopped.wait(0.02):
                cursor.execute("SELECT pid, substr(backend_type, 15) FROM pg_stat_activity "
                               "WHERE backend_type IN ('pg_replicator source worker', 'pg_replicator copy worker')")
                for pid, kind in cursor.fetchall():
                    found = [memory_mb(pid, field) or 0 for field in FIELDS]
                    known = self.peaks.get(kind, [0, 0])
                    self.peaks[kind] = [max(pair) for pair in zip(known, found)]


def shown(peaks):
    return "; ".join(f"{kind} {peak:.0f} MB, without shared buffers {own:.0f} MB" for kind, (peak, own) in
                     sorted(peaks.items()))


def copy_peaks(server, cluster, rows):
    generate(server, "src", rows)
    with Watch(cluster) as peaks:
        follow(server, cluster)
    assert cluster.query("SELECT count(*) FROM bench.src")[0][0] == rows
    print(f"copy of {rows} rows: {shown(peaks)}", flush=True)
    # A small table is copied by the source worker alone.
    return {"copy worker": peaks["source worker"][1], **{kind: own for kind, (_, own) in peaks.items()}}


def stream_transaction(server, cluster):
    """The counts of its rows that another connection has seen."""
    rows = TRANSACTION_MB * 1024 * 1024 // ROW_BYTES
    server.run("CREATE TABLE big (id BIGINT PRIMARY KEY, v TEXT)", "bench")
    cluster.query("CALL replicator_wait('bench', '60 s')")
    server.run(f"INSERT INTO big SELECT seq, RPAD(MD5(seq), {ROW_BYTES}, MD5(seq + 1)) FROM seq_1_to_{rows}", "bench")
    began = time.monotonic()
    with contextlib.closing(cluster.connect()) as connection, connection.cursor() as cursor:
        while True:
            cursor.execute("SELECT EXISTS (SELECT FROM bench.big)")
            if cursor.fetchone()[0]:
                break
            assert time.monotonic() - began < 1800, cluster.status("bench")
            time.sleep(0.01)
        cursor.execute("SELECT count(*) FROM bench.big")
        assert cursor.fetchone()[0] == rows
    return rows, time.monotonic() - began


def bench_memory():
    with mysql_bench(1000) as (server, cluster):
        print(f"server settings: {SETTINGS}")
        small = copy_peaks(server, cluster, ROWS_OF_SMALL)
        unfollow(cluster)
        large = copy_peaks(server, cluster, 10 * ROWS_OF_SMALL)
        unfollow(cluster)
        generate(server, "src", 1000)
        follow(server, cluster)
        with Watch(cluster) as peaks:
            rows, seconds = stream_transaction(server, cluster)
        print(f"one transaction of {TRANSACTION_MB} MB, {rows} rows: seen at once and whole, {seconds:.1f} s behind its "
              f"end; {shown(peaks)}", flush=True)
        streamed = peaks["source worker"][1]
    limit = 64.0  # pg_replicator.memory_per_worker
    return [("a copy worker's memory, 10 times the rows against 1: MB", large["copy worker"], small["copy worker"],
             large["copy worker"] / small["copy worker"], "<= 1.1", large["copy worker"] <= 1.1 * small["copy worker"]),
            within("source worker, large copy (sorts the key): MB, memory_per_worker", large["source worker"], limit),
            within(f"source worker, transaction of {TRANSACTION_MB} MB: MB, memory_per_worker", streamed, limit)]


def within(work, used, limit):
    return (work, used, limit, used / limit, "<= 1", used <= limit)
