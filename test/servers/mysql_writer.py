"""Random transactions and statements on all tables of one database of a MySQL or MariaDB server, by a seed.

What is drawn follows from the seed and from the tables that are there; the server's answers (a deadlock, a key that
exists) and its end in the middle of anything are part of the game. Only errors that no writer may get end it."""
import collections
import random
import threading
import time

import pymysql

from mysql_compare import connect, json_columns, key_of, quote, rows_of
from mysql_values import Column, draw, key_literal

# Duplicate key, deadlock, lock timeout, a table or column that another writer has taken away, a savepoint that a
# deadlock has, a value that does not fit, an engine that GTIDs do not allow within a transaction.
PART_OF_THE_GAME = {1022, 1036, 1048, 1050, 1051, 1054, 1060, 1062, 1072, 1091, 1094, 1105, 1136, 1146, 1205, 1213, 1265, 1264,
                    1305, 1364, 1366, 1406, 1412, 1146, 1684, 1785, 1790, 1927, 3140, 4025, 1020, 1032, 1846, 1138, 3819, 1292, 1411,
                    1416, 1690, 1118, 1526, 1505, 1066, 4078,
                    1480, 1507, 1508, 1515, 1735}
GONE = {1053, 1152, 1158, 1159, 1160, 1161, 1317, 1927, 2002, 2003, 2006, 2013, 2014, 2055, 0, 1040, 4031, 3168}
LARGEST_TRANSACTION = 20_000

# The order of columns, types and tables changes; what a table is called never says what is in it.
ADDED_TYPES = ("INT DEFAULT 7", "VARCHAR(50) DEFAULT 'é'", "DECIMAL(10,2) NOT NULL DEFAULT 1.50", "DATETIME(2)", "BLOB", "JSON",
               "TINYINT UNSIGNED", "DOUBLE DEFAULT 0.1", "ENUM('p','q') DEFAULT 'q'", "TEXT CHARACTER SET latin1", "BINARY(5)",
               "SET('m','n')", "TIMESTAMP(3) NULL", "TIME", "BIT(3)", "FLOAT")
RETYPED = ("BIGINT", "VARCHAR(60)", "DECIMAL(20,4)", "INT", "TEXT", "VARCHAR(80) CHARACTER SET latin1", "DOUBLE", "VARBINARY(90)")


def aside(database):
    """Where tables are renamed to, and from: the source does not follow it."""
    return f"{database}_aside"


class Table:
    def __init__(self, name, columns, key, engine, estimate):
        self.name, self.columns, self.engine, self.estimate = name, columns, engine, estimate
        self.key = [column for column in columns if column.name in key]
        self.key.sort(key=lambda column: key.index(column.name))
        self.others = [column for column in columns if column not in self.key and not column.generated]
        self.transactional = engine == "InnoDB"

    def where(self, number):
        return " AND ".join(f"{quote(column.name)} = {key_literal(column, number)}" for column in self.key)

    def key_values(self, number):
        return [key_literal(column, number) for column in self.key]

    def is_numbered(self):
        return self.key[0].data_type in ("int", "bigint")


class Writer:
    """One connection's transactions. `guard`: held while a table without transactions is written (a test that kills
    the server holds it then: such a table and the log part in a crash of the server, and nothing can be done)."""

    def __init__(self, server, database, seed, keys=400, definitions=0.0, guard=None, largest=LARGEST_TRANSACTION):
        self.server, self.database, self.keys, self.definitions = server, database, keys, definitions
        self.rng = random.Random(seed)
        self.guard, self.largest = guard or threading.Lock(), largest
        self.connection, self.tables = None, {}
        self.transactions, self.errors, self.made = 0, collections.Counter(), collections.Counter()
        self.number = 0

    # Talking to the server.

    def open(self):
        self.connection = connect(self.server, self.database, autocommit=True, read_timeout=60)
        rng = self.rng
        self.execute("SET innodb_lock_wait_timeout = 3")
        if self.server.flavour == "MySQL":
            self.execute(f"SET binlog_transaction_compression = {rng.randint(0, 1)}")
            return
        if rng.random() < 0.3:
            self.execute(f"SET GLOBAL log_bin_compress = {rng.randint(0, 1)}")
        if self.server.version() >= (10, 8):
            self.execute(f"SET binlog_alter_two_phase = {rng.randint(0, 1)}")

    def execute(self, sql):
        """False after an error that is part of the game."""
        try:
            with self.connection.cursor() as cursor:
                cursor.execute(sql)
            return True
        except pymysql.err.MySQLError as error:
            code = error.args[0] if error.args else 0
            if code in GONE or code not in PART_OF_THE_GAME:
                error.args = (*error.args, sql[:300])
                raise
            self.errors[code] += 1
            if code in (1054, 1136, 1146):
                self.reload()
            return False

    def reload(self):
        """What is there now."""
        if self.connection is None:
            self.open()
        rows = rows_of(self.connection, "SELECT table_name, engine FROM information_schema.tables WHERE table_schema = %s AND "
                       "table_type = 'BASE TABLE' ORDER BY table_name", (self.database,))
        columns = collections.defaultdict(list)
        for table, *column in rows_of(
                self.connection, "SELECT table_name, column_name, data_type, column_type, character_set_name, "
                "character_maximum_length, is_nullable, extra, column_key FROM information_schema.columns WHERE table_schema = %s "
                "ORDER BY table_name, ordinal_position", (self.database,)):
            columns[table].append(column)
        tables = {}
        for name, engine in rows:
            checked = json_columns(self.connection, self.database, name)
            described = [Column(c[0], c[1].lower(), c[2], c[3] or "", int(c[4] or 0), c[5] == "YES",
                                "VIRTUAL GENERATED" in c[6].upper() or "STORED GENERATED" in c[6].upper(), c[0] in checked)
                         for c in columns[name]]
            key = key_of(self.connection, self.database, name)
            if key and {column.name for column in described}.issuperset(key):  # another writer may be changing it
                tables[name] = Table(name, described, key, engine, 0)
        self.tables = tables

    # Statements on rows.

    def number_of_key(self):
        return self.rng.randint(1, self.keys)

    def insert(self, table, rows=None, number=None, verb=None):
        verb = verb or self.rng.choice(("INSERT", "INSERT IGNORE", "REPLACE"))
        columns = table.key + [column for column in table.others if self.rng.random() < 0.9]
        count = rows or self.rng.choice((1, 1, 3, 12))
        values = []
        for _ in range(count):
            key = table.key_values(number if number is not None else self.number_of_key())
            values.append("(" + ", ".join(key + [draw(self.rng, column) for column in columns[len(key):]]) + ")")
        names = ", ".join(quote(column.name) for column in columns)
        return f"{verb} INTO {quote(table.name)} ({names}) VALUES {', '.join(values)}"

    def assignments(self, table):
        some = [column for column in table.others if self.rng.random() < 0.3] or table.others[:1]
        return ", ".join(f"{quote(column.name)} = {draw(self.rng, column)}" for column in some)

    def update(self, table):
        if not table.others:
            return self.insert(table)
        where = table.where(self.number_of_key())
        if table.is_numbered() and self.rng.random() < 0.3:
            low = self.number_of_key()
            where = f"{quote(table.key[0].name)} BETWEEN {low} AND {low + self.rng.randint(1, 40)}"
        return f"UPDATE {quote(table.name)} SET {self.assignments(table)} WHERE {where}"

    def delete(self, table):
        return f"DELETE FROM {quote(table.name)} WHERE {table.where(self.number_of_key())}"

    def move(self, table, old, new):
        pairs = zip(table.key, table.key_values(new))
        return (f"UPDATE {quote(table.name)} SET " + ", ".join(f"{quote(c.name)} = {v}" for c, v in pairs) +
                f" WHERE {table.where(old)}")

    def change_key(self, table):
        return [self.move(table, self.number_of_key(), self.number_of_key())]

    def swap_keys(self, table):
        one, two, free = self.number_of_key(), self.number_of_key(), self.keys + 7
        return [self.move(table, one, free), self.move(table, two, one), self.move(table, free, two)]

    def insert_again(self, table):
        number = self.number_of_key()
        delete = f"DELETE FROM {quote(table.name)} WHERE {table.where(number)}"
        return [self.insert(table, 1, number, "REPLACE"), delete, self.insert(table, 1, number, "REPLACE"), delete,
                self.insert(table, 1, number, "INSERT")][self.rng.randint(0, 1):]

    def two_tables(self, table):
        others = [other for other in self.tables.values() if other.is_numbered() and other.transactional and other is not table]
        if not others or not table.is_numbered() or not table.transactional:
            return [self.update(table)]
        other = self.rng.choice(others)
        join = (f"{quote(table.name)} x JOIN {quote(other.name)} y ON x.{quote(table.key[0].name)} = y.{quote(other.key[0].name)}")
        low = self.number_of_key()
        where = f"WHERE x.{quote(table.key[0].name)} BETWEEN {low} AND {low + 15}"
        if self.rng.random() < 0.4 or not table.others or not other.others:
            return [f"DELETE x, y FROM {join} {where}"]
        one, two = self.rng.choice(table.others), self.rng.choice(other.others)
        return [f"UPDATE {join} SET x.{quote(one.name)} = {draw(self.rng, one)}, y.{quote(two.name)} = {draw(self.rng, two)} {where}"]

    def set_in_document(self, table):
        documents = [column for column in table.others if column.is_json or column.data_type == "json"]
        if not documents:
            return [self.update(table)]
        column = quote(documents[0].name)
        return [f"UPDATE {quote(table.name)} SET {column} = JSON_SET({column}, '$.k', {self.rng.randint(0, 99)}) WHERE "
                f"{table.where(self.number_of_key())}"]

    def many_rows(self):
        """Up to the largest transaction, in one statement."""
        count, low = int(self.largest ** self.rng.random()), self.rng.randint(0, 60_000)
        between = f"WHERE id BETWEEN {low} AND {low + count}"
        return self.rng.choice((
            f"INSERT IGNORE INTO bulk (id, n) SELECT i + {low}, i FROM numbers WHERE i < {count}",
            f"REPLACE INTO bulk (id, n) SELECT i + {low}, -i FROM numbers WHERE i < {count}",
            f"UPDATE bulk SET n = n + 1 {between}", f"DELETE FROM bulk {between}",
            f"UPDATE bulk SET id = id + {self.rng.choice((1, 70_000))} {between} ORDER BY id DESC"))

    def statements(self):
        table = self.rng.choice([t for t in self.tables.values() if t.name != "numbers"])
        kinds = (lambda t: [self.insert(t)], lambda t: [self.update(t)], lambda t: [self.delete(t)], self.change_key, self.swap_keys,
                 self.insert_again, self.two_tables, self.set_in_document)
        if table.name == "bulk" and self.rng.random() < 0.5:
            return table, [self.many_rows()]
        return table, self.rng.choices(kinds, (6, 6, 3, 2, 2, 2, 1, 1))[0](table)

    # Statements on tables.

    def definition(self):
        """Statements that change what tables there are or what they look like."""
        changeable = [t for t in self.tables.values() if t.name not in ("numbers", "bulk")]
        table = self.rng.choice(changeable)
        self.number += 1
        kind = self.rng.choices(("add", "drop", "rename", "retype", "reorder", "create", "drop table", "rename table", "swap", "select",
                                 "like", "truncate", "partition", "leave", "enter", "again"),
                                (3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 2, 1))[0]
        self.made[kind] += 1
        extra = [t for t in self.tables.values() if t.name.startswith("extra")]
        name, one = quote(table.name), self.rng.choice(table.others) if table.others else None
        free = f"extra{self.rng.randint(1, 12)}"
        where = self.rng.choice(("", " FIRST", f" AFTER {quote(self.rng.choice(table.columns).name)}"))
        plain = [c for c in table.others if c.name.startswith("added") or c.data_type in ("int", "varchar")]
        if kind == "add" and len(table.columns) < 45:
            return [f"ALTER TABLE {name} ADD COLUMN added{self.number} {self.rng.choice(ADDED_TYPES)}{where}"]
        if kind == "drop" and len(table.others) > 3:
            return [f"ALTER TABLE {name} DROP COLUMN {quote(one.name)}"]
        if kind == "rename" and one:
            return [f"ALTER TABLE {name} RENAME COLUMN {quote(one.name)} TO added{self.number}"]
        if kind in ("retype", "reorder") and plain:
            one = self.rng.choice(plain)
            declared = self.rng.choice(RETYPED) if kind == "retype" else one.column_type
            return [f"ALTER TABLE {name} MODIFY COLUMN {quote(one.name)} {declared}{where if kind == 'reorder' else ''}"]
        if kind == "create":
            return [f"CREATE TABLE {free} (id INT PRIMARY KEY, a VARCHAR(30), n BIGINT UNSIGNED)",
                    f"INSERT INTO {free} SELECT i, CONCAT('new ', i), i FROM numbers WHERE i < {self.rng.randint(0, 400)}"]
        if kind == "drop table" and extra:
            return [f"DROP TABLE {quote(self.rng.choice(extra).name)}"]
        if kind == "rename table" and extra:
            return [f"RENAME TABLE {quote(self.rng.choice(extra).name)} TO {free}"]
        if kind == "swap":
            other = self.rng.choice([t for t in changeable if t.transactional == table.transactional])
            return [] if other is table else [f"RENAME TABLE {name} TO passing_by, {quote(other.name)} TO {name}, "
                                              f"passing_by TO {quote(other.name)}"]
        if kind == "select":
            return [f"CREATE TABLE {free} (PRIMARY KEY (id)) AS SELECT id, n, body FROM bulk WHERE id < {self.rng.randint(1, 3000)}"]
        if kind == "like" and free != table.name:
            # As tools that change a table online do it.
            return [f"CREATE TABLE {free} LIKE {name}", f"ALTER TABLE {free} ADD COLUMN added{self.number} INT DEFAULT 3",
                    f"INSERT INTO {free} ({self.writable(table)}) SELECT {self.writable(table)} FROM {name}",
                    f"RENAME TABLE {name} TO passing_by, {free} TO {name}, passing_by TO {free}"]
        if kind == "truncate":
            return [f"TRUNCATE TABLE {name}"]
        if kind == "partition":
            return [self.partition_maintenance()]
        if kind == "leave" and extra:
            return [f"RENAME TABLE {quote(self.rng.choice(extra).name)} TO {aside(self.database)}.{free}"]
        if kind == "enter":
            return [f"RENAME TABLE {aside(self.database)}.extra{self.rng.randint(1, 12)} TO {free}"]
        if kind == "again":
            return [f"CREATE TABLE IF NOT EXISTS {free} (id INT PRIMARY KEY, n INT)"]
        return []

    def partition_maintenance(self):
        """REORGANIZE of a list that names fewer values takes rows away, of which the log has nothing."""
        values = self.rng.choice(("0, 1, 2", "0, 1", "0, 2", "1"))
        return self.rng.choice((
            f"ALTER TABLE listed REORGANIZE PARTITION l0 INTO (PARTITION l0 VALUES IN ({values}))",
            "ALTER TABLE listed REBUILD PARTITION ALL",
            f"ALTER TABLE parted TRUNCATE PARTITION p{self.rng.randint(0, 3)}", "ALTER TABLE parted ADD PARTITION PARTITIONS 1",
            "ALTER TABLE parted COALESCE PARTITION 1", "ALTER TABLE parted OPTIMIZE PARTITION ALL", "OPTIMIZE TABLE flat",
            "REPAIR TABLE flat"))

    def in_dialect(self, sql):
        """The same statement, written in another way."""
        verb, _, rest = sql.partition(" TABLE ")
        if verb not in ("ALTER", "TRUNCATE", "DROP") or self.rng.random() < 0.5:
            return sql
        ways = [f"{verb.lower()} /* no TABLE */ table {rest}", f"/*!50000 {verb} */ TABLE\n\t{rest}",
                f"{verb} TABLE -- one\n {self.database} . {rest}"]
        if self.server.flavour == "MariaDB":
            ways += [f"{verb} TABLE .{rest}", f"SET STATEMENT lock_wait_timeout = 50 FOR {sql}", f"/*M!100000 {sql} */"]
        return self.rng.choice(ways)

    @staticmethod
    def writable(table):
        return ", ".join(quote(column.name) for column in table.key + table.others)

    # One step after another.

    def step(self):
        """One transaction, or one statement alone, or one change of a table."""
        rng = self.rng
        if rng.random() < self.definitions:
            statements = [self.in_dialect(sql) for sql in self.definition()]
            with self.guard:  # a table without transactions may be among them
                for sql in statements:
                    if not self.execute(sql):
                        break
            self.reload()
            return
        drawn = [self.statements() for _ in range(rng.choice((1, 1, 2, 3, 10)))]
        flat = [(table, part) for table, part in drawn if not table.transactional]
        if flat:
            with self.guard:
                for _, part in flat[:1]:
                    for sql in part:
                        self.execute(sql)
            self.transactions += 1
            return
        begun = len(drawn) > 1 or rng.random() < 0.5
        if begun:
            self.execute("BEGIN")
        savepoint = False
        for _, part in drawn:
            if begun and rng.random() < 0.15:
                self.execute("SAVEPOINT here")
                savepoint = True
            for sql in part:
                self.execute(sql)
            if savepoint and rng.random() < 0.4:
                self.execute("ROLLBACK TO SAVEPOINT here")
        if begun:
            self.execute(rng.choices(("COMMIT", "ROLLBACK"), (6, 1))[0])
        self.transactions += 1


class WritingThread:
    """A writer at work until it is stopped; it comes back when its server does."""

    def __init__(self, writer, pause_s=0.0):
        self.writer, self.pause_s, self.error = writer, pause_s, None
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        writer = self.writer
        while not self.stopping.is_set():
            try:
                if writer.connection is None:
                    writer.reload()
                writer.step()
            except pymysql.err.MySQLError as error:
                if error.args and error.args[0] not in GONE and not isinstance(error, pymysql.err.InterfaceError):
                    self.error = error
                    return
                self.leave()
                time.sleep(0.05)
            except Exception as error:
                self.error = error
                return
            time.sleep(self.pause_s)

    def leave(self):
        if self.writer.connection is not None:
            try:
                self.writer.connection.close()
            except pymysql.err.MySQLError:
                pass
            self.writer.connection = None

    def stop(self):
        """Ends between two transactions; raises what the writer could not bear."""
        self.stopping.set()
        self.thread.join(480)
        assert not self.thread.is_alive(), "the writer hangs"
        self.leave()
        if self.error:
            raise AssertionError(f"the writer ended: {self.error!r}") from self.error
