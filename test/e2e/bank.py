"""A bank whose sum never changes, and a writer that moves money about in it."""
import random
import sqlite3
import threading

from private_cluster import wait_until


class BusyWriter:
    """Moves money between two tables, inserts, deletes and renumbers rows, until stopped."""

    def __init__(self, path, seed):
        self.path, self.random = path, random.Random(seed)
        self.commits = 0
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        wait_until(lambda: self.commits > 3, what="the writer to write")
        return self

    def __exit__(self, *unused):
        self.stop.set()
        self.thread.join()

    def run(self):
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=240)
        rows = connection.execute("SELECT count(*) FROM account").fetchone()[0]
        while not self.stop.is_set():
            a, b, amount = self.random.randint(1, rows), self.random.randint(1, rows), self.random.randint(1, 50)
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("UPDATE account SET balance = balance - ? WHERE id = ?", (amount, a))
            connection.execute("UPDATE deposit SET balance = balance + ? WHERE id = ?", (amount, b))
            connection.execute("INSERT INTO log (entry) VALUES (?)", (str(amount),))
            connection.execute("DELETE FROM log WHERE id = (SELECT min(id) FROM log)")
            connection.execute("UPDATE log SET id = id + 1000000 WHERE id = (SELECT max(id) FROM log WHERE id < 1000000)")
            connection.execute("COMMIT")
            self.commits += 1
            # A writer with some idle time, as real ones have; without it nobody could begin to read a
            # rollback-journal file.
            self.stop.wait(0.002)
        connection.close()


ACCOUNTS = """
    CREATE TABLE account (id INTEGER PRIMARY KEY, balance INT, filler TEXT);
    CREATE TABLE deposit (id INTEGER PRIMARY KEY, balance INT, filler TEXT);
    CREATE TABLE log (id INTEGER PRIMARY KEY, entry TEXT);
    INSERT INTO account WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
        SELECT i, 1000, 'filler filler filler ' || i FROM n;
    INSERT INTO deposit SELECT * FROM account;
    INSERT INTO log (entry) SELECT 'x' FROM account LIMIT 1000;"""


TOTAL = 2 * 60000 * 1000


SUMS = """SELECT (SELECT sum((data->>'balance')::bigint) FROM {0}.account) + (SELECT sum((data->>'balance')::bigint) FROM {0}.deposit),
                 (SELECT count(*) FROM {0}.account), (SELECT count(*) FROM {0}.deposit), (SELECT count(*) FROM {0}.log)"""
