"""A first copy of a SQLite table, against pgloader and against the floor: reading it once and CREATE TABLE AS."""
import os
import statistics
import subprocess
import sys
import time

from measuring import ROOT, ROUNDS, ROWS, SETTINGS, Meter, bench_cluster, peak_kb


def bench_copy():
    with bench_cluster(ROWS) as (cluster, path):
        directory = os.path.dirname(path)
        reader = os.path.join(directory, "sqlite_read")
        subprocess.run(["g++", "-O2", "-o", reader, str(ROOT / "test/bench/sqlite_read.cpp"), "-lsqlite3"], check=True)
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
        print(f"\nserver settings: {SETTINGS}, fsync on; {ROWS} rows, medians of {ROUNDS}")
        print(f"peak memory of a worker (VmHWM, shared buffers included): {max(memory) / 1024:.0f} MB\n")
        return [
            ("SQLite -> JSONB + key, against pgloader: seconds", median["ours"][0], median["pgloader"][0],
             median["pgloader"][0] / median["ours"][0], ">= 2.4", median["pgloader"][0] / median["ours"][0] >= 2.4),
            ("SQLite -> JSONB + key, against pgloader: CPU s", median["ours"][1], median["pgloader"][1],
             median["pgloader"][1] / median["ours"][1], ">= 3.5", median["pgloader"][1] / median["ours"][1] >= 3.5),
            ("the same, against read + CTAS + key: CPU s", median["ours"][1], median["floor"][1],
             median["ours"][1] / median["floor"][1], "<= 1.25", median["ours"][1] / median["floor"][1] <= 1.25)]
