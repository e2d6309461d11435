#!/usr/bin/python3
"""The writer of a chaos run: random transactions on all files, until told to stop.

Run as a process of its own by Writer, below. What it does is a pure function of its seed: no draw depends on what is in
a file or on the clock, and a transaction that meets a lock is tried again. It obeys `pause`, `go` and `stop` on its
standard input, between two transactions; while it pauses it has no file open."""
import json
import random
import select
import sqlite3
import subprocess
import sys

from sources import FILES, TABLES, body_of

LONGEST_PAUSE_S = 0.012  # between two transactions: without any, nobody could begin to read a rollback-journal file
MOST_EXTRA_TABLES = 3
MOST_EXTRA_COLUMNS = 6


class Transactions:
    """Draws transactions: lists of (statement, parameters), and how each ends."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.extra_tables = {source.name: [] for source in FILES}
        self.extra_columns = {source.name: 0 for source in FILES}
        self.count = 0

    def draw(self):
        """(source, statements, ending); ending: COMMIT, ROLLBACK, or None for statements outside of a transaction."""
        self.count += 1
        source = self.rng.choice(FILES)
        if self.rng.random() < 0.012:
            return source, *self.draw_definition(source)
        statements = []
        for _ in range(self.rng.choice((1, 1, 2, 3, 8))):
            table = self.rng.choices(TABLES, (8, 4, 4, 4, 3, 1))[0]
            change = self.rng.choice((self.insert, self.update, self.update_range, self.delete, self.change_key,
                                      self.swap_keys, self.insert_again, self.replace))
            statements += change(source, table)
        if source.long_rows and self.rng.random() < 0.1:
            statements += self.change_long(source)
        return source, statements, self.rng.choices(("COMMIT", "ROLLBACK"), (9, 1))[0]

    def key(self, source, table):
        """The key of a row that is probably there, or of one that probably is not."""
        return table.key(self.rng.randint(1, int(source.count(table) * 1.1) + 1))

    def value(self):
        return self.rng.choice((None, 0, -1, 1.0, 1, 2 ** 63 - 1, 0.1, 1e300, "1.0", "été \U0001f4be", "",
                                b"\x00\xff", self.rng.randrange(10 ** 9)))

    def body(self, table):
        if table.name != "wide" and self.rng.random() < 0.02:
            return "long " * 3000
        return body_of(table, self.rng.randrange(10 ** 6), self.rng)

    @staticmethod
    def where(table):
        return " AND ".join(f"{column} = ?" for column in table.key_columns)

    def insert(self, source, table, verb="INSERT OR IGNORE", key=None):
        columns = (*table.key_columns, "n", "body")
        key = key or self.key(source, table)
        return [(f"{verb} INTO {table.name} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",
                 (*key, self.value(), self.body(table)))]

    def update(self, source, table):
        return [(f"UPDATE {table.name} SET n = ?, body = ? WHERE {self.where(table)}",
                 (self.value(), self.body(table), *self.key(source, table)))]

    def update_range(self, source, table):
        lowest = self.rng.randint(0, source.count(table))
        column = "m" if table.name == "pair" else "rowid"
        return [(f"UPDATE {table.name} SET n = ? WHERE {column} BETWEEN ? AND ?",
                 (self.value(), lowest, lowest + self.rng.randint(1, 50)))]

    def delete(self, source, table):
        return [(f"DELETE FROM {table.name} WHERE {self.where(table)}", self.key(source, table))]

    def change_key(self, source, table, verb="UPDATE OR REPLACE", old=None, new=None):
        assignments = ", ".join(f"{column} = ?" for column in table.key_columns)
        return [(f"{verb} {table.name} SET {assignments} WHERE {self.where(table)}",
                 (*(new or self.key(source, table)), *(old or self.key(source, table))))]

    def swap_keys(self, source, table):
        a, b, free = self.key(source, table), self.key(source, table), table.key(-1)
        return (self.change_key(source, table, old=a, new=free) + self.change_key(source, table, old=b, new=a) +
                self.change_key(source, table, old=free, new=b))

    def insert_again(self, source, table):
        key = self.key(source, table)
        delete = [(f"DELETE FROM {table.name} WHERE {self.where(table)}", key)]
        return (self.insert(source, table, key=key) + delete) * 2 + self.insert(source, table, key=key)

    def replace(self, source, table):
        return self.insert(source, table, verb="REPLACE")

    def change_long(self, source):
        lowest = self.rng.randint(0, source.long_rows)
        change = self.rng.choice(("UPDATE long SET n = n + 1", "DELETE FROM long"))
        return [(f"{change} WHERE id BETWEEN ? AND ?", (lowest, lowest + 20)),
                ("INSERT OR IGNORE INTO long (id, n) VALUES (?, ?)", (lowest + 3, lowest))]

    def draw_definition(self, source):
        """(statements, ending) of what changes the file's structure or its layout."""
        kind = self.rng.choice(("column", "create", "drop", "vacuum", "checkpoint"))
        extra = self.extra_tables[source.name]
        if kind == "column" and self.extra_columns[source.name] < MOST_EXTRA_COLUMNS:
            self.extra_columns[source.name] += 1
            table = self.rng.choice(TABLES)
            return [(f"ALTER TABLE {table.name} ADD COLUMN extra_{self.count} DEFAULT 5", ())], "COMMIT"
        if kind == "create" and len(extra) < MOST_EXTRA_TABLES:
            extra.append(f"extra_{self.count}")  # a name of its own: a target outlives its table at the source
            return [(f"CREATE TABLE {extra[-1]} (id INTEGER PRIMARY KEY, n)", ()),
                    (f"INSERT INTO {extra[-1]} SELECT rowid, n FROM item LIMIT 500", ())], "COMMIT"
        if kind == "drop" and extra:
            return [(f"DROP TABLE {extra.pop(0)}", ())], "COMMIT"
        if kind == "vacuum":
            return [("VACUUM", ())], None
        return [("PRAGMA wal_checkpoint(TRUNCATE)", ())], None


class Files:
    """Connections to the files, opened when needed."""

    def __init__(self, directory):
        self.directory = directory
        self.connections = {}

    def run(self, source, statements, ending):
        while True:
            connection = self.connections.get(source.name)
            if connection is None:
                connection = sqlite3.connect(f"file:{source.path(self.directory)}?mode=rw", uri=True, timeout=30,
                                             isolation_level=None)
                connection.execute("PRAGMA synchronous = OFF")
                self.connections[source.name] = connection
            try:
                if ending:
                    connection.execute("BEGIN IMMEDIATE")
                for statement, parameters in statements:
                    connection.execute(statement, parameters).fetchall()
                if ending:
                    connection.execute(ending)
                return
            except sqlite3.OperationalError as error:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                if "locked" not in str(error):
                    raise

    def close(self):
        for connection in self.connections.values():
            connection.close()
        self.connections.clear()


def write(seed, directory):
    transactions, files, running = Transactions(seed), Files(directory), False
    pauses = random.Random(f"{seed} pauses")
    while True:
        pause = pauses.uniform(0, LONGEST_PAUSE_S) if running else None
        if select.select([sys.stdin], [], [], pause)[0]:
            command = sys.stdin.readline().strip()
            if command in ("pause", "stop", ""):
                files.close()
                running = False
            print(json.dumps({"transactions": transactions.count}), flush=True)
            if command in ("stop", ""):
                return
            running = running or command == "go"
        elif running:
            files.run(*transactions.draw())


class Writer:
    """The writer's process, as the harness sees it."""

    def __init__(self, seed, directory):
        self.process = subprocess.Popen([sys.executable, __file__, str(seed), directory], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, bufsize=1)
        self.transactions = 0

    def tell(self, command):
        """Returns when the writer has obeyed."""
        try:
            print(command, file=self.process.stdin, flush=True)
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise RuntimeError(f"the writer has ended with exit code {self.process.wait()}; its message is above")
        self.transactions = json.loads(answer)["transactions"]

    def pause(self):
        self.tell("pause")

    def go(self):
        self.tell("go")

    def end(self):
        self.process.stdin.close()
        self.process.wait()


if __name__ == "__main__":
    write(sys.argv[1], sys.argv[2])
