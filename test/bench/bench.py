#!/usr/bin/python3
"""Speed and CPU against pgloader and against the floor, in one run, interleaved, medians. Asserts nothing.

    bench.py [sqlite]      BENCH_ROWS=200000 for a quick look, BENCH_ROUNDS=3

CPU is that of every process involved: the server with all its workers, the client, the peer."""
import os
import pathlib
import random
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test/servers"))

from private_cluster import PrivateCluster, wait_until  # noqa: E402

ROWS = int(os.environ.get("BENCH_ROWS", 2_000_000))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", 3))
TICKS = os.sysconf("SC_CLK_TCK")


def generate(path):
    """The shape of our measurements: 11 columns, about 190 bytes a row."""
    rng = random.Random(7)
    store = sqlite3.connect(path)
    store.execute("CREATE TABLE src (id INTEGER PRIMARY KEY, a INT, b INT, v1 VARCHAR(40), v2 VARCHAR(40), d DECIMAL(12,2), "
                  "ts DATETIME, x DOUBLE, note TEXT, j TEXT, bin BLOB)")
    store.executemany("INSERT INTO src VALUES (?,?,?,?,?,?,?,?,?,?,?)", (
        (i, rng.randrange(1 << 31), rng.randrange(1000), f"customer name {rng.randrange(10**9)}",
         f"street {rng.randrange(10**6)} city {rng.randrange(10**5)}", rng.randrange(10**9) / 100,
         f"2024-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02} 10:20:{rng.randrange(60):02}.{rng.randrange(10**6):06}",
         rng.random() * 1e6, None if i % 3 else f"some longer note text number {i} with words in it",
         f'{{"k": {rng.randrange(10**6)}, "tags": ["a", "b"], "ok": true}}', rng.randbytes(16))
        for i in range(1, ROWS + 1)))
    store.commit()
    store.close()
    os.chmod(path, 0o644)


class Meter:
    """Wall and CPU seconds of a piece of work: the server's processes and our own children."""

    def __init__(self, cluster):
        self.postmaster = cluster.postmaster_pid()

    def cpu(self):
        used = 0
        with open(f"/proc/{self.postmaster}/stat") as f:
            used += sum(map(int, f.read().rsplit(")", 1)[1].split()[11:15]))
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.postmaster)], capture_output=True, text=True)
        for pid in children.stdout.split():
            try:
                with open(f"/proc/{pid}/stat") as f:
                    used += sum(map(int, f.read().rsplit(")", 1)[1].split()[11:13]))
            except FileNotFoundError:
                pass
        own = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used / TICKS + own.ru_utime + own.ru_stime

    def measure(self, work):
        began, cpu = time.monotonic(), self.cpu()
        work()
        return time.monotonic() - began, self.cpu() - cpu


def peak_kb(pids, peaks):
    for pid in pids:
        try:
            with open(f"/proc/{pid}/status") as status:
                for line in status:
                    if line.startswith("VmHWM"):
                        peaks.append(int(line.split()[1]))
        except (FileNotFoundError, ProcessLookupError):
            pass


def bench_sqlite():
    directory = tempfile.mkdtemp(prefix="pgreplbench")
    os.chmod(directory, 0o755)
    path = os.path.join(directory, "src.sqlite")
    settings = {"shared_buffers": "128MB", "listen_addresses": "127.0.0.1", "max_wal_size": "4GB"}
    cluster = None
    try:
        print(f"generating {ROWS} rows", flush=True)
        generate(path)
        reader = os.path.join(directory, "sqlite_read")
        subprocess.run(["g++", "-O2", "-o", reader, str(ROOT / "test/bench/sqlite_read.cpp"), "-lsqlite3"], check=True)
        cluster = PrivateCluster(settings)
        cluster.query("CREATE EXTENSION pg_replicator")
        meter = Meter(cluster)
        load = os.path.join(directory, "load")
        with open(load, "w") as f:
            f.write(f"LOAD DATABASE FROM sqlite://{path} INTO pgsql://postgres@127.0.0.1:{cluster.port}/peer "
                    "WITH include drop, create tables, create indexes, reset sequences;\n")
        memory = []

        def ours():
            # One connection: what it costs the server to be watched is counted as ours.
            connection = cluster.connect()
            with connection.cursor() as cursor:
                cursor.execute("SELECT replicator_init(%s, name => 'bench')", (f"sqlite://{path}",))
                state = ""
                while state != "idle":
                    time.sleep(0.05)  # the interval of looking; part of the measured time
                    cursor.execute("SELECT state FROM replicator.source_state")
                    state = cursor.fetchone()[0]
                    cursor.execute("SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'pg_replicator%'")
                    peak_kb([row[0] for row in cursor.fetchall()], memory)
            connection.close()

        def pgloader():
            result = subprocess.run(["pgloader", load], capture_output=True, text=True)
            if result.returncode or "ERROR" in result.stdout:
                sys.exit(result.stdout + result.stderr)

        def read_floor():
            subprocess.run([reader, path, "src"], check=True, capture_output=True)

        def write_floor():
            cluster.query("CREATE TABLE floor AS SELECT id, data, _synced_at FROM bench.src")
            cluster.query("ALTER TABLE floor ADD PRIMARY KEY (id)")

        figures = {"ours": [], "pgloader": [], "floor": []}
        for number in range(ROUNDS):
            cluster.query("CHECKPOINT")
            figures["ours"].append(meter.measure(ours))
            assert cluster.query("SELECT count(*) FROM bench.src")[0][0] == ROWS
            cluster.query("CHECKPOINT")
            parts = [meter.measure(read_floor), meter.measure(write_floor)]
            figures["floor"].append(tuple(map(sum, zip(*parts))))
            cluster.query("DROP TABLE floor")
            cluster.query("SELECT replicator_drop('bench', drop_tables => true)")
            cluster.query("DROP DATABASE IF EXISTS peer")
            cluster.query("CREATE DATABASE peer")
            cluster.query("CHECKPOINT")
            figures["pgloader"].append(meter.measure(pgloader))
            print(f"round {number + 1}: " + ", ".join(f"{k} {v[-1][0]:.2f} s / {v[-1][1]:.2f} CPU s"
                                                        for k, v in figures.items()), flush=True)
        median = {k: tuple(statistics.median(column) for column in zip(*v)) for k, v in figures.items()}
        print(f"\nserver settings: {settings}, fsync on; {ROWS} rows, medians of {ROUNDS}")
        print(f"peak memory of a worker (VmHWM, shared buffers included): {max(memory) / 1024:.0f} MB\n")
        return [
            ("SQLite -> JSONB + key, against pgloader: seconds", median["ours"][0], median["pgloader"][0],
             median["pgloader"][0] / median["ours"][0], ">= 2.4", median["pgloader"][0] / median["ours"][0] >= 2.4),
            ("SQLite -> JSONB + key, against pgloader: CPU s", median["ours"][1], median["pgloader"][1],
             median["pgloader"][1] / median["ours"][1], ">= 3.5", median["pgloader"][1] / median["ours"][1] >= 3.5),
            ("the same, against read + CTAS + key: CPU s", median["ours"][1], median["floor"][1],
             median["ours"][1] / median["floor"][1], "<= 1.25", median["ours"][1] / median["floor"][1] <= 1.25)]
    finally:
        if cluster is not None:
            cluster.destroy(check=False)
        shutil.rmtree(directory, ignore_errors=True)


BENCHES = {"sqlite": bench_sqlite}


def main():
    wanted = sys.argv[1:] or list(BENCHES)
    lines = []
    for name in wanted:
        if name not in BENCHES:
            sys.exit(f"unknown bench {name}; there are: {', '.join(BENCHES)}")
        lines += BENCHES[name]()
    print(f"{'work':<50} {'ours':>8} {'peer':>8} {'ratio':>7} {'goal':>8}")
    for work, ours, peer, ratio, goal, met in lines:
        print(f"{work:<50} {ours:>8.2f} {peer:>8.2f} {ratio:>7.2f} {goal:>8}  {'ok' if met else 'below goal'}")


if __name__ == "__main__":
    main()
