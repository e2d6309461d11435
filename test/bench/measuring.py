"""What the benches share: the rows, a cluster to copy them into, a meter of wall and CPU seconds."""
import contextlib
import os
import pathlib
import random
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "test/servers"))

from private_cluster import PrivateCluster  # noqa: E402

SETTINGS = {"shared_buffers": "128MB", "listen_addresses": "127.0.0.1", "max_wal_size": "4GB"}
ROWS = int(os.environ.get("BENCH_ROWS", 2_000_000))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", 3))
TICKS = os.sysconf("SC_CLK_TCK")


def generate(path, rows):
    """The shape of our measurements: 11 columns, about 190 bytes a row."""
    print(f"generating {rows} rows", flush=True)
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
        for i in range(1, rows + 1)))
    store.commit()
    store.close()
    os.chmod(path, 0o666)


@contextlib.contextmanager
def bench_cluster(rows):
    """A cluster with the extension, and the path of a SQLite file with so many rows in a directory of its own."""
    directory = tempfile.mkdtemp(prefix="pgreplbench")
    os.chmod(directory, 0o777)
    cluster = None
    try:
        path = os.path.join(directory, "src.sqlite")
        generate(path, rows)
        cluster = PrivateCluster(SETTINGS)
        cluster.query("CREATE EXTENSION pg_replicator")
        yield cluster, path
    finally:
        if cluster is not None:
            cluster.destroy(check=False)
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def copied_source(rows):
    """The same with the file copied as the source `bench`, and the seconds and CPU seconds that this took."""
    with bench_cluster(rows) as (cluster, path):
        cluster.query("SELECT replicator_init(%s, name => 'bench')", (f"sqlite://{path}",))
        copied = Meter(cluster).measure(lambda: copy_once(cluster))
        print(f"first copy: {copied[0]:.2f} s, {copied[1]:.2f} CPU s")
        yield cluster, path, copied


class Meter:
    """Wall and CPU seconds of a piece of work: the server's processes, our own children, and `others` by their pids."""

    def __init__(self, cluster, *others):
        self.postmaster = cluster.postmaster_pid()
        self.others = others

    def cpu(self):
        """Read anew if a child ended meanwhile: it would be counted twice, or not at all."""
        while True:
            reaped = self.ticks(self.postmaster, 13, 15)
            used = sum(self.ticks(pid, 11, 15) for pid in (self.postmaster, *self.others))
            children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.postmaster)], capture_output=True, text=True)
            used += sum(self.ticks(pid, 11, 13) for pid in children.stdout.split())
            if self.ticks(self.postmaster, 13, 15) == reaped:
                break
        own = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used / TICKS + own.ru_utime + own.ru_stime

    @staticmethod
    def ticks(pid, first, behind):
        """Of /proc/PID/stat: fields 11 to 14 are the ticks of the process, user and system, and of children that have ended."""
        try:
            with open(f"/proc/{pid}/stat") as f:
                return sum(map(int, f.read().rsplit(")", 1)[1].split()[first:behind]))
        except (FileNotFoundError, ProcessLookupError):
            return 0

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


def run_and_watch(cluster, statement, done, peaks):
    """Runs `statement`, then looks until `done` (SQL) is true; notes the peak memory of our workers meanwhile."""
    connection = cluster.connect()
    with connection.cursor() as cursor:
        cursor.execute(statement)
        while True:
            cursor.execute("SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'pg_replicator%'")
            peak_kb([row[0] for row in cursor.fetchall()], peaks)
            cursor.execute(done)
            if cursor.fetchone()[0]:
                break
            time.sleep(0.05)  # the interval of looking; part of the measured time
    connection.close()


SERVED = "SELECT state = 'idle' AND sync_done >= sync_requested FROM replicator.source_state"


def copy_once(cluster, peaks=None):
    run_and_watch(cluster, "SELECT 1", SERVED, [] if peaks is None else peaks)


def refresh_once(cluster, peaks=None):
    run_and_watch(cluster, "SELECT replicator_sync('bench')", SERVED, [] if peaks is None else peaks)
