"""Lag at a steady rate: from just before COMMIT is sent to MariaDB to the moment at which another connection here sees
the transaction, which it knows by the position that is written with it. Writer, source and target share this machine
and its clock.

    BENCH_LAG_SECONDS=30; 60 % updates, 30 % inserts, 10 % deletes

The reader looks about once a millisecond: so much may be added."""
import bisect
import contextlib
import multiprocessing
import os
import re
import time

from measuring import ROWS, SETTINGS
from mysql_source import connect, follow, memory_mb, mysql_bench, unfollow

SECONDS = float(os.environ.get("BENCH_LAG_SECONDS", 30))
SETTLE_SECONDS = 3  # of the writing, before what counts
GTID = re.compile(r"\d+-\d+-(\d+)")
# Changes a second, and how many of them are a transaction.
RATES = ((1000, 1), (5000, 10))
# Of ten changes, from number `first` on. An old row is updated, a new one inserted, or one of those deleted again.
MAKE_CHANGES = """CREATE PROCEDURE make_changes(first BIGINT, how_many INT, row_count BIGINT, new_ids BIGINT)
BEGIN
    DECLARE n BIGINT DEFAULT first;
    DECLARE k BIGINT;
    START TRANSACTION;
    WHILE n < first + how_many DO
        SET k = 1 + n * 7919 % row_count;
        CASE
            WHEN n % 10 < 6 THEN
                UPDATE src SET a = n, v1 = CONCAT('customer name ', n), ts = NOW(6) WHERE id = k;
            WHEN n % 10 < 9 THEN
                INSERT INTO src SELECT new_ids + n, a, b, v1, v2, d, ts, x, note, j, bin FROM src WHERE id = k;
            ELSE DELETE FROM src WHERE id = new_ids + n - 1;
        END CASE;
        SET n = n + 1;
    END WHILE;
END"""


def write(server, rate, per_transaction, rows, start, answer):
    """In a process of its own: the number of its first transaction, and when each was committed."""
    connection = connect(server)
    sent = []
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@global.gtid_binlog_pos")
        first = int(GTID.search(cursor.fetchone()[0]).group(1)) + 1
        total = int((SECONDS + SETTLE_SECONDS) * rate / per_transaction)
        began = time.time()
        for number in range(total):
            due = began + number * per_transaction / rate
            now = time.time()
            if now < due:
                time.sleep(due - now)
            cursor.execute(f"CALL make_changes({number * per_transaction}, {per_transaction}, {rows}, {start})")
            sent.append(time.time())
            cursor.execute("COMMIT")
        took = time.time() - began
    connection.close()
    answer.put((first, sent, took))


def watch(cluster, answer, pid):
    """What the writer says, when which transaction was seen, and the worker's memory by time."""
    seen, memory, written, memory_at = [], [], None, 0.0
    last = 0
    with contextlib.closing(cluster.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("PREPARE look AS SELECT position FROM replicator.position")
        deadline = time.time() + SECONDS * 4 + 60
        while time.time() < deadline:
            cursor.execute("EXECUTE look")
            number = int(GTID.search(cursor.fetchone()[0]).group(1))
            now = time.time()
            if number != last:
                seen.append((number, now))
                last = number
            if now - memory_at >= 0.5:
                memory_at = now
                memory.append(memory_mb(pid, "RssAnon"))
            if written is None and not answer.empty():
                written = answer.get(timeout=10)
            if written is not None and last >= written[0] + len(written[1]) - 1:
                return written, seen, memory
            time.sleep(0.001)
    raise AssertionError(f"the stream stands at {last}; written: {written and written[0] + len(written[1]) - 1}")


def lags_of(written, seen):
    """In milliseconds, of the transactions behind the settling."""
    first, sent, _ = written
    numbers = [number for number, _ in seen]
    return sorted(1000 * (seen[bisect.bisect_left(numbers, first + i)][1] - at) for i, at in enumerate(sent)
                  if at - sent[0] >= SETTLE_SECONDS)


def run_rate(server, cluster, rate, per_transaction, rows, start):
    pid = cluster.workers("source worker")[0]
    answer = multiprocessing.Queue()
    writer = multiprocessing.Process(target=write, args=(server, rate, per_transaction, rows, start, answer))
    writer.start()
    written, seen, memory = watch(cluster, answer, pid)
    writer.join()
    lags = lags_of(written, seen)
    p50, p99 = lags[len(lags) // 2], lags[int(len(lags) * 0.99)]
    reached = len(written[1]) * per_transaction / written[2]
    settled = memory[min(len(memory) - 1, int(SETTLE_SECONDS / 0.5)):]
    print(f"{rate:>6} {per_transaction:>9} {reached:>8.0f} {len(seen) / written[2]:>10.0f} {p50:>8.1f} {p99:>8.1f} "
          f"{lags[-1]:>8.1f} {settled[0]:>9.1f} {settled[-1]:>8.1f} {memory_mb(pid, 'VmHWM'):>8.0f}", flush=True)
    # A writer that could not keep its rate has shown nothing about that rate.
    kept = reached >= 0.95 * rate
    return (f"lag at {rate if kept else f'{reached:.0f} (not {rate})'} changes/s, {per_transaction} a transaction: p99, ms",
            p99, 100.0, p99 / 100, "<= 1", kept and p99 <= 100)


def bench_lag():
    rows = min(ROWS, 500_000)
    lines = []
    with mysql_bench(rows) as (server, cluster):
        server.run(f"SET sql_log_bin = 0;\nDELIMITER //\n{MAKE_CHANGES}//", "bench")
        follow(server, cluster)
        print(f"server settings: {SETTINGS}, fsync on; {rows} rows; {SECONDS:.0f} s behind {SETTLE_SECONDS} s of settling")
        print(f"{'rate':>6} {'in one':>9} {'reached':>8} {'commits/s':>10} {'p50 ms':>8} {'p99 ms':>8} {'max ms':>8} "
              f"{'MB before':>9} {'behind':>8} {'peak':>8}   (anonymous memory; peak with shared buffers)")
        start = 10 * rows
        for rate, per_transaction in RATES:
            lines.append(run_rate(server, cluster, rate, per_transaction, rows, start))
            start += 10 * rows
        cluster.query("CALL replicator_wait('bench', '60 s')")
        unfollow(cluster)
    return lines
