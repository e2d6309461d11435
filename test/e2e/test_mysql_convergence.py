"""MySQL and MariaDB followed while random writers write and everything that can end ends: at the end both sides are equal,
by a comparison that shares no code with pg_replicator."""
import random
import threading
import time

import psycopg2

from convergence import DURABLE, SECONDS, SEED
from mysql_writer import Writer, WritingThread
from mysql_written_database import create_database

SERVER_SETTINGS = {"MariaDB": DURABLE, "MySQL": {**DURABLE, "myisam-recover-options": "BACKUP,FORCE"}}


class Faults:
    """Whatever may happen to a source, one at a time."""

    def __init__(self, cluster, server, name, rng, guard):
        self.cluster, self.server, self.name, self.rng, self.guard = cluster, server, name, rng, guard
        self.log = []

    def hit(self):
        kind = self.rng.choices((self.end_our_worker, self.crash_our_server, self.kill_the_source, self.restart_the_source,
                                 self.end_our_connections, self.pause, self.resync, self.next_log), (4, 1, 2, 1, 4, 2, 4, 2))[0]
        self.log.append(kind.__name__)
        kind()

    def end_our_worker(self):
        self.cluster.query_when_up("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = "
                                   "'pg_replicator source worker'")

    def crash_our_server(self):
        self.cluster.crash()

    def kill_the_source(self):
        with self.guard:
            self.server.kill()
        time.sleep(self.rng.uniform(0, 0.5))
        self.server.start()

    def restart_the_source(self):
        with self.guard:
            self.server.restart()

    def end_our_connections(self):
        self.server.end_connections("replicator")

    def pause(self):
        self.cluster.query_when_up("SELECT replicator_pause(%s)", (self.name,))
        time.sleep(self.rng.uniform(0, 0.5))
        self.cluster.query_when_up("SELECT replicator_resume(%s)", (self.name,))

    def resync(self):
        tables = self.cluster.query_when_up("SELECT \"table\" FROM replicator_tables WHERE source = %s AND state IN ('streaming', "
                                            "'copying', 'pending', 'catching_up') ORDER BY 1", (self.name,))
        if tables:
            try:
                self.cluster.query_when_up("SELECT replicator_resync(%s, %s)", (self.name, self.rng.choice(tables)[0]))
            except psycopg2.errors.lookup("42P01"):
                pass  # it has been dropped meanwhile

    def next_log(self):
        self.server.run("FLUSH BINARY LOGS")


def test_it_converges_whatever_ends_meanwhile(cluster, server, mysql_source, assert_converged):
    create_database(server, "churn", seed=SEED)
    guard = threading.Lock()
    rng = random.Random(f"{SEED} faults")
    writers = [Writer(server, "churn", f"{SEED} {i}", definitions=definitions, guard=guard)
               for i, definitions in enumerate((0.03, 0.0))]
    threads = [WritingThread(writer) for writer in writers]
    mysql_source("churn", "churn", mode="continuous")
    faults = Faults(cluster, server, "churn", rng, guard)
    try:
        began = time.monotonic()
        while time.monotonic() - began < SECONDS:
            time.sleep(rng.uniform(0.2, 2))
            assert not any(thread.error for thread in threads), [thread.error for thread in threads]
            faults.hit()
    finally:
        for thread in threads:
            thread.stop()
        print("faults:", faults.log)
        print("transactions:", [writer.transactions for writer in writers], "definitions:", dict(writers[0].made),
              "refused:", [dict(writer.errors) for writer in writers])
    assert_converged("churn", {"churn": "churn"})
    server.run("DROP DATABASE churn")
