#!/usr/bin/python3
"""Speed, CPU and memory, in one run, interleaved, medians. Asserts nothing.

    bench.py [sqlite] [refresh] [verify] [mysql] [mysql_apply] [mysql_lag] [mysql_memory] [mysql_tables]

BENCH_ROWS=200000 for a quick look, BENCH_ROUNDS=3; the mysql benches have settings of their own, which they tell of.

CPU is that of every process involved: the server with all its workers, the client, the peer."""
import sys

from mysql_apply import bench_apply
from mysql_copy import bench_copy as bench_mysql_copy
from mysql_lag import bench_lag
from mysql_memory import bench_memory
from mysql_tables import bench_tables
from sqlite_copy import bench_copy
from sqlite_refresh import bench_refresh
from sqlite_verify import bench_verify

BENCHES = {"sqlite": bench_copy, "refresh": bench_refresh, "verify": bench_verify,
           "mysql": bench_mysql_copy, "mysql_apply": bench_apply, "mysql_lag": bench_lag, "mysql_memory": bench_memory,
           "mysql_tables": bench_tables}


def main():
    wanted = sys.argv[1:] or list(BENCHES)
    lines = []
    for name in wanted:
        if name not in BENCHES:
            sys.exit(f"unknown bench {name}; there are: {', '.join(BENCHES)}")
        print(f"=== {name}", flush=True)
        lines += BENCHES[name]()
    print(f"\n{'work':<68} {'ours':>8} {'peer':>8} {'ratio':>7} {'goal':>8}")
    for work, ours, peer, ratio, goal, met in lines:
        print(f"{work:<68} {ours:>8.2f} {peer:>8.2f} {ratio:>7.2f} {goal:>8}  {'ok' if met else 'below goal'}")


if __name__ == "__main__":
    main()
