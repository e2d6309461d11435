"""What tests see of a source: its tables, its rows, its jobs, its errors."""
import contextlib
import os
import sqlite3
import subprocess
import threading

import psycopg2

from private_cluster import wait_until


def job_rows(cluster, job):
    return cluster.query_when_up(
        'SELECT "table", state, rows_compared, changed, missing, extra, unconfirmed, quarantined, repaired, last_error, hint '
        'FROM replicator_jobs WHERE job = %s ORDER BY 1', (job,))


def finished(cluster, job, timeout=240):
    """The rows of a job that has ended, as dictionaries by table."""
    names = ("state", "compared", "changed", "missing", "extra", "unconfirmed", "quarantined", "repaired", "error", "hint")
    wait_until(lambda: all(row[1] not in ("pending", "running") for row in job_rows(cluster, job)), timeout,
               lambda: f"the job to end: {job_rows(cluster, job)}")
    return {row[0]: dict(zip(names, row[1:])) for row in job_rows(cluster, job)}


def verify(cluster, name, tables=None):
    return finished(cluster, cluster.query("SELECT replicator_verify(%s, %s)", (name, tables))[0][0])


def repair(cluster, name, table):
    return finished(cluster, cluster.query("SELECT replicator_repair(%s, %s)", (name, table))[0][0])[table]


def flip_one_bit(cluster, schema, key):
    """Changes one bit of the stored jsonb: the lowest of the first digit of the number in c."""
    cluster.query(f"UPDATE {schema}.t SET data = jsonb_set(data, '{{a}}', to_jsonb((data->>'a')::int # 1)) WHERE id = %s",
                  (key,))


def caught_up(cluster, name="s"):
    cluster.query("CALL replicator_wait(%s, '240 s')", (name,))


def rows(cluster, table, name="s"):
    return dict(cluster.query(f'SELECT id, data::text FROM {name}."{table}"'))


def table_row(cluster, table, name="s"):
    found = cluster.query('SELECT to_jsonb(t) FROM replicator_tables t WHERE source = %s AND "table" = %s', (name, table))
    return found[0][0] if found else None


def equal(cluster, name="s"):
    """By replicator_verify: nothing differs."""
    tables = finished(cluster, cluster.query("SELECT replicator_verify(%s)", (name,))[0][0])
    return all((row["state"], row["changed"], row["missing"], row["extra"], row["unconfirmed"]) == ("done", 0, 0, 0, 0)
               for row in tables.values())


def failure(cluster, *words, state="failed", name="s", timeout=240):
    """The status once it is in the state; error, detail and hint hold the words."""
    status = cluster.wait_for_state(name, state, timeout)
    text = " ".join(filter(None, (status["last_error"], status["detail"], status["hint"])))
    for word in words:
        assert word in text, text
    return status


def failed_alone(cluster, table, *words):
    """The table has failed, says why, and the source streams."""
    wait_until(lambda: table_row(cluster, table)["state"] == "failed", 240, lambda: f"the table to fail: {table_row(cluster, table)}")
    text = cluster.query("SELECT last_error || ' ' || last_hint FROM replicator.source_table WHERE name = %s", (table,))[0][0]
    for word in words:
        assert word in text, text
    cluster.wait_for_state("s", "streaming")


def copied_again(cluster, name="s"):
    """What the hints say."""
    cluster.query("SELECT replicator_resync(%s)", (name,))
    caught_up(cluster, name)
    assert cluster.status(name)["state"] == "streaming"


def forget_history(server):
    server.run("RESET MASTER" if server.flavour == "MariaDB" else "RESET BINARY LOGS AND GTIDS")


def registered(cluster, url, name="s", **arguments):
    extra = "".join(f", {key} => %({key})s" for key in arguments)
    cluster.query(f"SELECT replicator_init(%(url)s, name => %(name)s, target_schema => %(name)s{extra})",
                  {"url": url, "name": name, **arguments})
    cluster.wait_for_state(name, "streaming")


def refresh(cluster, path, name, value):
    file = sqlite3.connect(path, timeout=240)
    file.execute("UPDATE t SET a = ? WHERE id = 5", (value,))
    file.commit()
    file.close()
    cluster.query("SELECT replicator_sync(%s)", (name,))
    cluster.wait_for_copy(name)
    assert cluster.query(f"SELECT data->>'a' FROM {name}.t WHERE id = '5'") == [(str(value),)]


@contextlib.contextmanager
def log_not_followed(cluster):
    """Nothing within comes from a stream: a failure point that each stream passes is not reached."""
    cluster.fail_at("before_stream_commit:error")
    yield
    assert os.path.exists(cluster.failure_file())
    os.unlink(cluster.failure_file())


@contextlib.contextmanager
def locking(cluster, statement):
    """A transaction of somebody else's that holds what the statement locks; gives the process."""
    with contextlib.closing(cluster.connect()) as other, other.cursor() as cursor:
        cursor.execute(f"BEGIN; {statement}")
        yield other.info.backend_pid
        with contextlib.suppress(psycopg2.OperationalError):  # it was ended
            cursor.execute("COMMIT")


def run_bytes(server, sql, charset):
    """Statements in bytes of a charset, by a session that says so."""
    subprocess.run([*server.client, "--no-defaults", f"--socket={server.socket}", "-uroot", "--batch",
                    f"--default-character-set={charset}", "shop"], input=sql, check=True)


class Waiting:
    """A call in a session of its own, which is expected to wait; its error afterwards."""
    def __init__(self, cluster, call, user="postgres", database="postgres"):
        self.error = None
        self.connection = cluster.connect(database, user)
        self.pid = self.connection.info.backend_pid
        self.thread = threading.Thread(target=self.run, args=(call,))
        self.thread.start()

    def run(self, call):
        with contextlib.closing(self.connection):
            try:
                self.connection.cursor().execute(call)
            except psycopg2.Error as error:
                self.error = error

    def waits_for_a_lock(self, cluster):
        wait_until(lambda: cluster.query("SELECT wait_event_type FROM pg_stat_activity WHERE pid = %s", (self.pid,)) == [("Lock",)],
                   what="the call to wait")

    def ended(self):
        self.thread.join(60)
        assert not self.thread.is_alive()
        return self.error
