"""What both demos show: statements with their rows, progress line by line."""
import sys
import time

import psycopg2.extras


def say(text):
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


def show(cluster, sql):
    """A statement and its rows, as a person would see them."""
    print(f"  => {' '.join(sql.split())}")
    connection = cluster.connect()
    psycopg2.extras.register_default_jsonb(connection, loads=str)  # as psql shows it: 1.50 stays 1.50
    with connection.cursor() as cursor:
        cursor.execute(sql)
        names = [column.name for column in cursor.description]
        rows = [["" if v is None else
                 ", ".join(v) if isinstance(v, list) else str(v) for v in row] for row in cursor.fetchall()]
    connection.close()
    widths = [max([len(n)] + [len(r[i]) for r in rows]) for i, n in enumerate(names)]
    for row in [names] + rows:
        print("     " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def watch(cluster, until):
    """Prints the progress until the source is in the state `until`."""
    while True:
        status = cluster.status("store")
        print(f"  {status['state']:<11} {status['rows_copied']:>8} of {status['rows_expected'] or '?'} rows, "
              f"{status['percent'] or 0:>5} %, {status['rows_per_second'] or 0:>8} rows/s  tables {status['tables']}", flush=True)
        if status["state"] == until:
            return
        if status["state"] in ("failed", "backing_off"):
            sys.exit(f"{status['last_error']}\n{status['hint']}")
        time.sleep(0.2)  # how often a person wants a line


def run_job(cluster, call):
    """Asks for a job and shows what it does, then what it found."""
    job = cluster.query(call)[0][0]
    print(f"  => {call}")
    while cluster.query("SELECT count(*) FROM replicator_jobs WHERE job = %s AND state IN ('pending', 'running')", (job,))[0][0]:
        for phase, table, percent, bar in cluster.query(
                "SELECT phase, \"table\", percent, bar FROM replicator_progress WHERE worker = 'job worker' AND bar IS NOT NULL"):
            print(f"     {bar} {percent:>5} %  {phase} {table}", flush=True)
        time.sleep(0.2)  # how often a person wants a line
    show(cluster, f'SELECT "table", state, rows_compared, changed, missing, extra, repaired FROM replicator_jobs WHERE job = {job} ORDER '
                  'BY 1')
