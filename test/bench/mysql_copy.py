"""A first copy of a MariaDB table until it streams, against mysql_fdw, pgloader and the floor: reading it once through
the binary protocol and CREATE TABLE AS."""
import os
import statistics
import subprocess
import sys
import tempfile

from measuring import ROOT, ROUNDS, ROWS, SETTINGS, Meter
from mysql_source import PEER_PASSWORD, follow, mysql_bench, unfollow, write_all_pages

FDW = f"""CREATE EXTENSION mysql_fdw;
    CREATE SERVER maria FOREIGN DATA WRAPPER mysql_fdw OPTIONS (host '127.0.0.1', port '%s');
    CREATE USER MAPPING FOR postgres SERVER maria OPTIONS (username 'peer', password '{PEER_PASSWORD}');
    CREATE FOREIGN TABLE fdw_src (id bigint, a int, b int, v1 varchar, v2 varchar, d numeric(12,2), ts timestamp,
        x double precision, note text, j jsonb, bin bytea) SERVER maria OPTIONS (dbname 'bench', table_name 'src')"""
TARGET = '(id text COLLATE "C" PRIMARY KEY, data jsonb NOT NULL, _synced_at timestamptz NOT NULL)'


def build_reader(directory):
    reader = os.path.join(directory, "mysql_read")
    flags = subprocess.run(["mariadb_config", "--include", "--libs"], check=True, capture_output=True, text=True)
    subprocess.run(["g++", "-std=c++20", "-O2", "-o", reader, str(ROOT / "test/bench/mysql_read.cpp"),
                    *flags.stdout.split()], check=True)
    return reader


def set_up_fdw(cluster, server):
    """False if there is no mysql_fdw for this server."""
    if not cluster.query("SELECT 1 FROM pg_available_extensions WHERE name = 'mysql_fdw'"):
        print("there is no mysql_fdw on this machine (./setup.sh bench installs Debian's): not measured", flush=True)
        return False
    cluster.query(FDW % server.port)
    return True


def line(work, ours, peer, goal):
    return (work, ours, peer, peer / ours, f">= {goal}", peer / ours >= goal)


def bench_copy():
    # Autovacuum would do its work on one table while the next is measured.
    with tempfile.TemporaryDirectory(prefix="pgreplbench") as directory, mysql_bench(ROWS, autovacuum="off") as (server, cluster):
        reader = build_reader(directory)
        has_fdw = set_up_fdw(cluster, server)
        write_all_pages(server)
        meter = Meter(cluster, server.pid())
        load = os.path.join(directory, "load")
        with open(load, "w") as f:
            f.write(f"LOAD DATABASE FROM mysql://peer:{PEER_PASSWORD}@127.0.0.1:{server.port}/bench "
                    f"INTO pgsql://postgres@127.0.0.1:{cluster.port}/peer "
                    # Its default of 100,000 rows ahead of the writers exhausts its heap now and then.
                    "WITH include drop, create tables, create indexes, reset sequences, prefetch rows = 10000;\n")
        memory = []

        def pgloader():
            result = subprocess.run(["pgloader", load], capture_output=True, text=True)
            if result.returncode or "ERROR" in result.stdout:
                sys.exit(result.stdout + result.stderr)

        def read_floor():
            subprocess.run([reader, "127.0.0.1", str(server.port), "peer", PEER_PASSWORD, "bench", "src"], check=True,
                           capture_output=True)

        def write_floor():
            cluster.query("CREATE TABLE floor AS SELECT id, data, _synced_at FROM bench.src")
            cluster.query("ALTER TABLE floor ADD PRIMARY KEY (id)")

        def mysql_fdw():
            cluster.query("INSERT INTO fdw_target SELECT id, to_jsonb(s), now() FROM fdw_src s")

        figures = {}

        def measure(name, *works):
            cluster.query("CHECKPOINT")
            parts = [meter.measure(work) for work in works]
            figures.setdefault(name, []).append(tuple(map(sum, zip(*parts))))

        for number in range(ROUNDS):
            measure("ours", lambda: follow(server, cluster, memory))
            assert cluster.query("SELECT count(*) FROM bench.src")[0][0] == ROWS
            measure("floor", read_floor, write_floor)
            cluster.query("DROP TABLE floor")
            unfollow(cluster)
            if has_fdw:
                cluster.query(f"CREATE TABLE fdw_target {TARGET}")
                measure("mysql_fdw", mysql_fdw)
                assert cluster.query("SELECT count(*) FROM fdw_target")[0][0] == ROWS
                cluster.query("DROP TABLE fdw_target")
            cluster.query("DROP DATABASE IF EXISTS peer")
            cluster.query("CREATE DATABASE peer")
            measure("pgloader", pgloader)
            assert cluster.query("SELECT count(*) FROM bench.src", database="peer")[0][0] == ROWS
            print(f"round {number + 1}: " + ", ".join(f"{k} {v[-1][0]:.2f} s / {v[-1][1]:.2f} CPU s"
                                                      for k, v in figures.items()), flush=True)
        median = {k: tuple(statistics.median(column) for column in zip(*v)) for k, v in figures.items()}
        print(f"\nserver settings: {SETTINGS}, autovacuum off, fsync on; {ROWS} rows, medians of {ROUNDS}")
        print(f"peak memory of a worker (VmHWM, shared buffers included): {max(memory) / 1024:.0f} MB\n")
        ours, floor = median["ours"], median["floor"]
        lines = []
        for peer, faster in (("mysql_fdw", 4), ("pgloader", 2.8)):
            if peer in median:
                lines.append(line(f"MariaDB -> JSONB + key, against {peer}: seconds", ours[0], median[peer][0], faster))
                lines.append(line(f"MariaDB -> JSONB + key, against {peer}: CPU s", ours[1], median[peer][1], 3.5))
        lines.append(("the same, against binary read + CTAS + key: CPU s", ours[1], floor[1], ours[1] / floor[1],
                      "<= 1.25", ours[1] / floor[1] <= 1.25))
        return lines
