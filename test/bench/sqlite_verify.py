"""Comparing with the source: rows a second against the first copy, memory, and finding one flipped bit; at the size of the
other benches and at ten times it."""
import statistics

from measuring import ROUNDS, ROWS, Meter, copied_source, run_and_watch

DONE = "SELECT NOT EXISTS (SELECT FROM replicator.job WHERE state IN ('pending', 'running'))"
FLIP = "UPDATE bench.src SET data = jsonb_set(data, '{b}', to_jsonb((data->>'b')::int # 1)) WHERE id = %s"


def run_job(cluster, call, peaks):
    figures = Meter(cluster).measure(lambda: run_and_watch(cluster, call, DONE, peaks))
    return figures, cluster.query("SELECT changed, missing, extra, unconfirmed, repaired, rows_compared, last_error "
                                  "FROM replicator_jobs ORDER BY job DESC LIMIT 1")[0]


def run_size(rows, rounds):
    with copied_source(rows) as (cluster, _, copied):
        cluster.query("CHECKPOINT")
        peaks, runs = [], []
        for _ in range(rounds):
            figures, found = run_job(cluster, "SELECT replicator_verify('bench')", peaks)
            assert found == (0, 0, 0, 0, 0, rows, None), found
            runs.append(figures)
        seconds, cpu = (statistics.median(column) for column in zip(*runs))
        print(f"comparing {rows} rows: {seconds:.2f} s, {cpu:.2f} CPU s, {rows / seconds:.0f} rows/s, "
              f"peak {max(peaks) / 1024:.0f} MB (shared buffers included)")
        cluster.query(FLIP, (str(rows * 2 // 3),))
        figures, found = run_job(cluster, "SELECT replicator_verify('bench')", [])
        assert found[:4] == (1, 0, 0, 0), found
        print(f"a flipped bit is found in {figures[0]:.2f} s")
        figures, found = run_job(cluster, "SELECT replicator_repair('bench', 'src')", [])
        assert found[:5] == (1, 0, 0, 0, 1), found
        print(f"and mended in {figures[0]:.2f} s")
        return [(f"verify of {rows} rows, against their first copy: seconds", seconds, copied[0], copied[0] / seconds,
                 ">= 1", seconds <= copied[0])]


def bench_verify():
    return run_size(ROWS, ROUNDS) + run_size(10 * ROWS, 1)
