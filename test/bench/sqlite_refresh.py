"""A refresh of a table of which nothing, 0.01 % and 1 % has changed, at the size of the other benches and at ten times it."""
import sqlite3
import statistics

from measuring import ROUNDS, ROWS, Meter, copied_source, refresh_once

CHANGED = (0, 0.0001, 0.01)


def change(path, rows, part):
    """Updates every n-th row, and makes it differ in each round."""
    if not part:
        return
    step = round(1 / part)
    store = sqlite3.connect(path)
    store.execute("UPDATE src SET a = a + 1 WHERE id % ? = 0", (step,))
    store.commit()
    store.close()


def figures_of(cluster, path, rows, part):
    change(path, rows, part)
    cluster.query("CHECKPOINT")
    wal = cluster.query("SELECT pg_current_wal_lsn()")[0][0]
    before = cluster.query("SELECT changes_applied FROM replicator_status")[0][0]
    peaks = []
    seconds, cpu = Meter(cluster).measure(lambda: refresh_once(cluster, peaks))
    written = cluster.query("SELECT changes_applied FROM replicator_status")[0][0] - before
    wal_bytes = int(cluster.query("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), %s)", (wal,))[0][0])
    return seconds, cpu, written, wal_bytes, max(peaks) / 1024


def run_size(rows, rounds):
    with copied_source(rows) as (cluster, path, copied):
        figures = {part: [] for part in CHANGED}
        for _ in range(rounds):
            for part in CHANGED:
                figures[part].append(figures_of(cluster, path, rows, part))
        print(f"{'rows':>10} {'changed':>8} {'s':>7} {'CPU s':>7} {'written':>9} {'WAL bytes':>11} {'peak MB':>8}")
        lines = []
        for part, runs in figures.items():
            seconds, cpu, written, wal, peak = (statistics.median(column) for column in zip(*runs))
            print(f"{rows:>10} {part:>8.2%} {seconds:>7.2f} {cpu:>7.2f} {written:>9} {wal:>11} {peak:>8.0f}")
            lines.append((f"refresh of {rows} rows, {part:.2%} changed, against their first copy: seconds", seconds,
                          copied[0], copied[0] / seconds, "-", True))
        return lines


def bench_refresh():
    return run_size(ROWS, ROUNDS) + run_size(10 * ROWS, 1)
