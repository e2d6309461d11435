"""The sources of a chaos run and how they are registered; of SQLite files also what is in them. Both the harness and its
writer know the tables from here."""
import dataclasses
import os
import sqlite3

BLOB_BYTES = 20_000
SCHEMA = """
    CREATE TABLE item (id INTEGER PRIMARY KEY, n, body);
    CREATE TABLE tag (name TEXT PRIMARY KEY, n, body);
    CREATE TABLE link (a INT, b TEXT, n, body, PRIMARY KEY (a, b));
    CREATE TABLE pair (k TEXT, m INT, n, body, PRIMARY KEY (k, m)) WITHOUT ROWID;
    CREATE TABLE wide (id INTEGER PRIMARY KEY, n, body);
    CREATE TABLE loose (n, body);
    CREATE TABLE long (id INTEGER PRIMARY KEY, n, body);
    CREATE TABLE vacant (id INTEGER PRIMARY KEY, n, body);"""


@dataclasses.dataclass(frozen=True)
class Table:
    """A table with the columns n and body, and a key that follows from a whole number."""
    name: str
    share: float  # of the source's rows
    key_columns: tuple
    key: object  # number → key values


TABLES = (
    Table("item", 0.4, ("id",), lambda i: (i,)),
    Table("tag", 0.2, ("name",), lambda i: (f"tag {i}" if i % 3 else str(i),)),
    Table("link", 0.15, ("a", "b"), lambda i: (i % 97, f"b{i}")),
    Table("pair", 0.15, ("k", "m"), lambda i: (f"k{i % 89}", i)),
    Table("loose", 0.1, ("rowid",), lambda i: (i,)),
    Table("wide", 0.004, ("id",), lambda i: (i,)),
)


@dataclasses.dataclass(frozen=True)
class Source:
    name: str
    wal: bool
    rows: int
    long_rows: int = 0  # rows of the table that is copied in several transactions and split between copy workers
    periodic: bool = False
    copy_workers: int = 2

    @property
    def table_names(self):
        return [table.name for table in TABLES]

    long_table = "long"

    def path(self, directory):
        return os.path.join(directory, self.name + ".db")

    def count(self, table):
        return max(int(self.rows * table.share), 1)

    def arguments(self):
        """Arguments of replicator_init beside the URL."""
        given = {"name": self.name, "options": '{"copy_workers_per_source": %d}' % self.copy_workers}
        if self.periodic:
            given.update(mode="periodic", refresh_interval="1 second")
        return given


@dataclasses.dataclass(frozen=True)
class ServerSource:
    """A database of a server that is followed (followed.py)."""
    name: str
    flavour: str
    copy_workers: int = 2
    periodic = False
    long_table = "bulk"
    # Those that are always there; others come and go.
    table_names = ("everything", "texts", "pairs", "bulk", "only_unique", "parted", "flat", "flat_pairs")

    def arguments(self):
        return {"name": self.name, "target_schema": self.name, "mode": "continuous",
                "options": '{"copy_workers_per_source": %d, "apply_batch_rows": 1000}' % self.copy_workers}


SERVERS = (ServerSource("maria", "MariaDB"), ServerSource("sun", "MySQL"))
FILES = (
    Source("wal", wal=True, rows=80_000, long_rows=230_000),
    Source("rollback", wal=False, rows=120_000),
    Source("periodic", wal=True, rows=50_000, periodic=True),
    Source("alone", wal=False, rows=80_000, copy_workers=0),
)


def make_accessible(path):
    """For the server's user, who reads the file and, in WAL mode, writes beside it."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        if os.path.exists(path + suffix):
            os.chmod(path + suffix, 0o666)


def create(source, directory, rng):
    connection = sqlite3.connect(source.path(directory), isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA journal_mode = " + ("WAL" if source.wal else "DELETE"))
    connection.execute("BEGIN")
    for statement in SCHEMA.split(";")[:-1]:
        connection.execute(statement)
    for table in TABLES:
        columns = (*table.key_columns, "n", "body")
        connection.executemany(
            f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",
            ((*table.key(i), rng.randrange(1000), body_of(table, i, rng)) for i in range(1, source.count(table) + 1)))
    connection.execute(
        "INSERT INTO long WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < ?) "
        "SELECT i, i % 1000, NULL FROM c WHERE i <= ?", (max(source.long_rows, 1), source.long_rows))
    connection.execute("COMMIT")
    connection.close()
    make_accessible(source.path(directory))


def body_of(table, i, rng):
    return rng.randbytes(BLOB_BYTES) if table.name == "wide" else f"row {i} of {table.name}, {rng.randrange(10 ** 9)}"
