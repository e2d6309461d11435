"""Applying changes: from MariaDB's log to the target, against a PL/pgSQL procedure that applies the same changes one by
one, prepared and encoded beforehand, to a table like the target. And the log's decoder alone.

    BENCH_CHANGES=500000      60 % updates, 30 % inserts, 10 % deletes of as many rows; 1,000 a transaction

Neither side waits for its commits to reach the disk. The peer neither reads a log nor encodes a row."""
import contextlib
import io
import os
import random
import re
import shutil
import statistics
import subprocess
import tempfile
import time

from measuring import ROOT, ROUNDS, SETTINGS, Meter
from mysql_source import follow, log_file, memory_mb, mysql_bench, pause

CHANGES = int(os.environ.get("BENCH_CHANGES", 500_000))
PER_TRANSACTION = 1000

MAKE_CHANGES = f"""CREATE PROCEDURE make_changes()
BEGIN
    DECLARE n, k BIGINT;
    DECLARE o CHAR(1);
    DECLARE ended BOOLEAN DEFAULT false;
    DECLARE changes CURSOR FOR SELECT seq, op, id FROM changes ORDER BY seq;
    DECLARE CONTINUE HANDLER FOR NOT FOUND SET ended = true;
    OPEN changes;
    START TRANSACTION;
    change_rows: LOOP
        FETCH changes INTO n, o, k;
        IF ended THEN LEAVE change_rows; END IF;
        CASE o
            WHEN 'u' THEN UPDATE src SET a = n, v1 = CONCAT('customer name ', n), ts = NOW(6), x = x + 1 WHERE id = k;
            WHEN 'i' THEN INSERT INTO src SELECT k, a, b, v1, v2, d, ts, x, note, j, bin FROM pattern WHERE id = 1 + k % 1000;
            ELSE DELETE FROM src WHERE id = k;
        END CASE;
        IF n % {PER_TRANSACTION} = 0 THEN COMMIT; START TRANSACTION; END IF;
    END LOOP;
    COMMIT;
END"""

APPLY_ONE_BY_ONE = f"""CREATE PROCEDURE apply_one_by_one(total bigint) LANGUAGE plpgsql AS $$
DECLARE
    c record;
BEGIN
    FOR low IN 1 .. total BY {PER_TRANSACTION} LOOP
        FOR c IN SELECT op, id, data FROM changes WHERE seq BETWEEN low AND low + {PER_TRANSACTION} - 1 ORDER BY seq LOOP
            IF c.op = 'd' THEN
                DELETE FROM peer WHERE id = c.id;
            ELSE
                INSERT INTO peer (id, data, _synced_at) VALUES (c.id, c.data, now())
                ON CONFLICT (id) DO UPDATE SET data = excluded.data, _synced_at = excluded._synced_at;
            END IF;
        END LOOP;
        COMMIT;
    END LOOP;
END $$"""


class Changes:
    """Lists of changes, each of which suits the rows as the ones before have left them."""

    def __init__(self, rows):
        self.rng = random.Random(11)
        self.ids = list(range(1, rows + 1))
        self.next_id = rows + 1

    def next(self, count):
        for seq in range(1, count + 1):
            kind = self.rng.random()
            place = self.rng.randrange(len(self.ids))
            if kind < 0.6:
                yield seq, "u", self.ids[place]
            elif kind < 0.9:
                yield seq, "i", self.next_id
                self.ids.append(self.next_id)
                self.next_id += 1
            else:
                yield seq, "d", self.ids[place]
                self.ids[place] = self.ids[-1]
                self.ids.pop()


def load_changes(server, directory, changes):
    path = os.path.join(directory, "changes")
    with open(path, "w") as f:
        f.writelines(f"{seq}\t{op}\t{key}\n" for seq, op, key in changes)
    server.run(f"SET sql_log_bin = 0; DROP TABLE IF EXISTS changes; CREATE TABLE changes (seq BIGINT PRIMARY KEY, "
               f"op CHAR(1), id BIGINT); LOAD DATA INFILE '{path}' INTO TABLE changes", "bench")
    return path


def load_peer(cluster, path):
    """The changes with the rows that the target has got by them: of a key with several, always the last one's."""
    with contextlib.closing(cluster.connect()) as connection, connection.cursor() as cursor, open(path) as f:
        cursor.execute("DROP TABLE IF EXISTS listed, changes")
        cursor.execute("CREATE UNLOGGED TABLE listed (seq bigint, op text, id text)")
        cursor.copy_expert("COPY listed FROM STDIN", io.StringIO(f.read()))
        # A row that is deleted later has left no data: another's, of the same size, stands for it.
        cursor.execute("CREATE UNLOGGED TABLE changes AS SELECT l.seq, l.op, l.id, coalesce(s.data, (SELECT data FROM "
                       "bench.src LIMIT 1)) AS data FROM listed l LEFT JOIN bench.src s ON s.id = l.id ORDER BY l.seq")
        cursor.execute("ALTER TABLE changes ADD PRIMARY KEY (seq)")
        cursor.execute("ANALYZE changes")


def decode_rate(path):
    """Changes a second; None if the program is not built."""
    program = ROOT / "build/mysql_binlog_decode"
    if not program.exists():
        print("the decoder alone: build/mysql_binlog_decode is not built")
        return None
    printed = subprocess.run([str(program), path, "3"], check=True, capture_output=True, text=True).stdout
    return float(re.search(r": (\d+) changes/s", printed).group(1))


def bench_apply():
    lines, figures, worker_seconds, decoded = [], {"ours": [], "peer": []}, [], []
    directory = tempfile.mkdtemp(prefix="pgreplbench")
    os.chmod(directory, 0o755)
    try:
        with mysql_bench(CHANGES, autovacuum="off") as (server, cluster):
            server.run("SET sql_log_bin = 0; CREATE TABLE pattern LIKE src; "
                       "INSERT INTO pattern SELECT * FROM src WHERE id <= 1000", "bench")
            server.run(f"SET sql_log_bin = 0;\nDELIMITER //\n{MAKE_CHANGES}//", "bench")
            follow(server, cluster)
            cluster.query("CREATE TABLE peer (LIKE bench.src INCLUDING ALL)")
            cluster.query("INSERT INTO peer SELECT * FROM bench.src")
            cluster.query(APPLY_ONE_BY_ONE)
            meter = Meter(cluster, server.pid())
            changes = Changes(CHANGES)

            def applied():
                return cluster.query("SELECT changes_applied FROM replicator.source_state")[0][0]

            def ours(connection, upto):
                with connection.cursor() as cursor:
                    cursor.execute("SELECT replicator_resume('bench')")
                    began = None
                    while True:
                        cursor.execute("SELECT changes_applied, state, clock_timestamp() FROM replicator.source_state")
                        now, state, clock = cursor.fetchone()
                        if began is None and state in ("catching_up", "streaming"):
                            began = clock
                        if now >= upto:
                            worker_seconds.append((clock - began).total_seconds())
                            return
                        time.sleep(0.01)  # the interval of looking; part of the measured time

            def peer(connection):
                with connection.cursor() as cursor:
                    cursor.execute("SET synchronous_commit = off")
                    cursor.execute("CALL apply_one_by_one(%s)", (CHANGES,))

            for number in range(ROUNDS):
                pause(cluster)
                path = load_changes(server, directory, changes.next(CHANGES))
                server.run("FLUSH BINARY LOGS; CALL make_changes()", "bench")
                log = log_file(server)
                for table in ("bench.src", "peer"):
                    cluster.query(f"VACUUM ANALYZE {table}")
                cluster.query("CHECKPOINT")
                with contextlib.closing(cluster.connect()) as connection:
                    upto = applied() + CHANGES
                    figures["ours"].append(meter.measure(lambda: ours(connection, upto)))
                worker = cluster.workers("source worker")
                load_peer(cluster, path)
                cluster.query("CHECKPOINT")
                with contextlib.closing(cluster.connect()) as connection:
                    figures["peer"].append(meter.measure(lambda: peer(connection)))
                counts = cluster.query("SELECT (SELECT count(*) FROM bench.src), (SELECT count(*) FROM peer)")[0]
                assert counts[0] == counts[1] == int(server.value("SELECT count(*) FROM src", "bench")), counts
                decoded.append(decode_rate(log))
                print(f"round {number + 1}: " + ", ".join(f"{k} {v[-1][0]:.2f} s / {v[-1][1]:.2f} CPU s"
                                                          for k, v in figures.items())
                      + f"; from the worker's start {worker_seconds[-1]:.2f} s, its peak "
                        f"{memory_mb(worker[0], 'VmHWM'):.0f} MB", flush=True)
        median = {k: tuple(statistics.median(column) for column in zip(*v)) for k, v in figures.items()}
        seconds = statistics.median(worker_seconds)
        print(f"\nserver settings: {SETTINGS}, autovacuum off, fsync on; {CHANGES} changes of {CHANGES} rows, "
              f"{PER_TRANSACTION} a transaction, medians of {ROUNDS}")
        print(f"ours {CHANGES / median['ours'][0]:,.0f} changes/s from resume on, {CHANGES / seconds:,.0f} from the "
              f"worker's start on; one by one {CHANGES / median['peer'][0]:,.0f}")
        if all(decoded):
            rate = statistics.median(decoded)
            print(f"the decoder alone: {rate:,.0f} changes/s, {100 * CHANGES / rate / median['ours'][0]:.1f} % of the apply")
        ratio = median["peer"][0] / median["ours"][0]
        lines.append(("apply from the log, against SPI one by one: seconds", median["ours"][0], median["peer"][0], ratio,
                      ">= 1.25", ratio >= 1.25))
        lines.append(("the same: CPU s", median["ours"][1], median["peer"][1], median["peer"][1] / median["ours"][1], "-",
                      True))
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return lines
