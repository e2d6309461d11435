"""Any division of a table, resumed at any batch, reads every row exactly once."""
import random

import pytest


WORDS = ["a", "A", "á", "ä", "b", "B", "ß", "ss", "z", "Z", "_", "ab", "Ab", "aB", " a", "日", "Ω", "ω", "0", "9", "'", "\\", "%"]


def integers(low, high):
    return lambda r: str(r.choice([low, high, low + 1, high - 1, 0, r.randint(low, high), r.randint(0, min(high, 3000))]))


def words(r):
    text = "".join(r.choice(WORDS) for _ in range(r.randint(0, 6)))
    return f"_utf8mb4 x'{text.encode().hex()}'"


def latin_words(r):
    return f"_latin1 x'{bytes(r.randint(1, 255) for _ in range(r.randint(0, 5))).hex()}'"


def raw_bytes(r):
    return f"x'{bytes(r.choice([0, 1, 32, 97, 128, 255]) for _ in range(r.randint(0, 8))).hex()}'"


def dates(r):
    return r.choice(["'0000-00-00'", "'2024-00-15'", f"'{r.randint(1, 9999):04d}-{r.randint(1, 12):02d}-{r.randint(1, 28):02d}'"])


def moments(r):
    return f"'{r.randint(1, 9999):04d}-{r.randint(1, 12):02d}-01 {r.randint(0, 23):02d}:00:00.{r.randint(0, 999999):06d}'"


def times(r):
    return f"'{r.choice(['', '-'])}{r.randint(0, 837)}:{r.randint(0, 59):02d}:{r.randint(0, 59):02d}.{r.randint(0, 999999):06d}'"


KEYS = {
    "tinyint": [("tinyint", integers(-128, 127))],
    "int": [("int", integers(-2**31, 2**31 - 1))],
    "bigint": [("bigint", integers(-2**63, 2**63 - 1))],
    "unsigned": [("bigint unsigned", integers(0, 2**64 - 1))],
    "decimal": [("decimal(30,10)", lambda r: f"{r.randint(-10**12, 10**12)}.{r.randint(0, 10**10 - 1)}")],
    "double": [("double", lambda r: repr(r.uniform(-1e10, 1e10)))],
    "float": [("float", lambda r: repr(r.uniform(-1e5, 1e5)))],
    "general_ci": [("varchar(40) character set utf8mb4 collate utf8mb4_general_ci", words)],
    "unicode_ci": [("varchar(40) character set utf8mb4 collate utf8mb4_unicode_ci", words)],
    "bin": [("varchar(40) character set utf8mb4 collate utf8mb4_bin", words)],
    "ucs2": [("varchar(40) character set ucs2", words)],
    "latin1": [("varchar(40) character set latin1 collate latin1_swedish_ci", latin_words)],
    "char_german": [("char(10) character set latin1 collate latin1_german2_ci", latin_words)],
    "varbinary": [("varbinary(16)", raw_bytes)],
    "binary": [("binary(8)", raw_bytes)],
    "date": [("date", dates)],
    "datetime": [("datetime(6)", moments)],
    "time": [("time(6)", times)],
    "timestamp": [("timestamp(6) default '2000-01-01'", lambda r: f"'20{r.randint(10, 37)}-0{r.randint(1, 9)}-03 "
                                                                  f"00:00:00.{r.randint(0, 999999):06d}'")],
    "year": [("year", lambda r: str(r.choice([0, r.randint(1901, 2155)])))],
    "bit": [("bit(40)", lambda r: str(r.getrandbits(40)))],
    "enum": [("enum('z','b','a')", lambda r: r.choice(["'z'", "'b'", "'a'"])), ("int", integers(-50, 50))],
    "enum_second": [("int", integers(0, 200)), ("enum('z','b','a')", lambda r: r.choice(["'z'", "'b'", "'a'"]))],
    "set": [("int", integers(0, 100)), ("set('z','b','a')", lambda r: str(r.randint(0, 7)))],
    "composite": [("varchar(10) character set utf8mb4 collate utf8mb4_general_ci", lambda r: r.choice(["'a'", "'A'", "'b '", "'B'", "''"])),
                  ("bigint unsigned", integers(0, 2**64 - 1)), ("date", dates)],
    "one_tenant": [("int", lambda r: "7"), ("varchar(20)", words), ("varbinary(5)", raw_bytes)],
    "negatives": [("smallint", integers(-32768, 32767)), ("time(6)", times), ("decimal(5,2)", lambda r: f"{r.randint(-999, 999)}.5")],
}


def fill(server, table, key, rows, seed, extra="", engine="InnoDB"):
    r = random.Random(seed)
    names = [f"k{i}" for i in range(len(key))]
    columns = ", ".join(f"{name} {declared} not null" for name, (declared, _) in zip(names, key))
    server.run(f"SET sql_mode = ''; DROP TABLE IF EXISTS {table}; CREATE TABLE {table} ({columns}, n int, pad varchar(100), "
               f"PRIMARY KEY ({', '.join(names)}){extra}) ENGINE={engine}", "d")
    for begin in range(0, rows, 1000):
        values = ", ".join("(" + ", ".join(make(r) for _, make in key) + f", {i}, 'some text')"
                           for i in range(begin, min(rows, begin + 1000)))
        server.run(f"SET sql_mode = ''; INSERT IGNORE INTO {table} VALUES {values}", "d")
    server.run(f"ANALYZE TABLE {table}", "d")
    return sorted(int(n) for (n,) in server.query(f"SELECT n FROM {table}", "d"))


def numbers(rows, key):
    return sorted(int(row[len(key)]["n"]) for row in rows)


@pytest.mark.parametrize("name", KEYS)
def test_every_row_is_read_exactly_once(server, adapter, name):
    key = KEYS[name]
    expected = fill(server, "chunks", key, 5000, name)
    for seed in range(3):
        rows = adapter.call("chunks", "d", "chunks", 1 + seed * 3, seed)
        assert numbers(rows, key) == expected, f"seed {seed}"


def test_a_row_order_with_descending_parts(server, adapter):
    key = [("int", integers(0, 40)), ("varchar(20)", words)]
    r = random.Random(3)
    server.run("DROP TABLE IF EXISTS downwards; CREATE TABLE downwards (k0 int not null, k1 varchar(20) not null, n int, "
               "PRIMARY KEY (k0 DESC, k1))", "d")
    values = ", ".join(f"({r.randint(0, 40)}, {words(r)}, {i})" for i in range(3000))
    server.run(f"INSERT IGNORE INTO downwards VALUES {values}; ANALYZE TABLE downwards", "d")
    expected = sorted(int(n) for (n,) in server.query("SELECT n FROM downwards", "d"))
    for seed in range(3):
        assert numbers(adapter.call("chunks", "d", "downwards", 5, seed), key) == expected


@pytest.mark.parametrize("engine", ["MyISAM", "MEMORY"])
def test_other_engines(server, adapter, engine):
    key = [("int", integers(0, 10**6))]
    expected = fill(server, "other", key, 3000, 1, engine=engine)
    assert numbers(adapter.call("chunks", "d", "other", 4, 1), key) == expected


def test_partitions(server, adapter):
    key = [("int", integers(0, 10**6))]
    r = random.Random(1)
    server.run("DROP TABLE IF EXISTS parts; CREATE TABLE parts (k int not null primary key, n int) PARTITION BY HASH (k) "
               "PARTITIONS 5; INSERT IGNORE INTO parts VALUES " +
               ", ".join(f"({r.randint(0, 10**6)}, {i})" for i in range(5000)) + "; ANALYZE TABLE parts", "d")
    expected = sorted(int(n) for (n,) in server.query("SELECT n FROM parts", "d"))
    assert numbers(adapter.call("chunks", "d", "parts", 4, 1), key) == expected


LONG_KEYS = {
    "text": "b TEXT CHARACTER SET latin1 NOT NULL", "blob": "b LONGBLOB NOT NULL",
    "accents": "b VARCHAR(4000) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL",
    "padded": "b VARCHAR(4000) CHARACTER SET latin1 COLLATE latin1_swedish_ci NOT NULL"}


@pytest.mark.parametrize("key", ["rule", "index"])
@pytest.mark.parametrize("name", LONG_KEYS)
def test_keys_that_differ_only_at_their_end(server, adapter, name, key, is_mariadb):
    """A server sorts by the first max_sort_length bytes of a value."""
    if key == "index" and not is_mariadb:
        pytest.skip("MySQL has no index of such values")
    unique = ", UNIQUE (b)" if key == "index" else ""
    server.run(f"DROP TABLE IF EXISTS alike; CREATE TABLE alike ({LONG_KEYS[name]}, n int NOT NULL{unique}); INSERT INTO alike VALUES " +
               ", ".join(f"(CONCAT(REPEAT('x', 1500), SHA2({i}, 256)), {i})" for i in range(200)) + "; ANALYZE TABLE alike", "d")
    rows = adapter.call("chunks", "d", "alike", 4, 1, *(["b"] if key == "rule" else []))
    assert sorted(int(n["n"]) for _, n in rows) == list(range(200))


@pytest.mark.parametrize("declared", ["k0 ENUM('a','b') NOT NULL, k1 VARCHAR(200) CHARACTER SET utf8mb4 NOT NULL, n INT NOT NULL, PRIMARY "
                                      "KEY (k0, k1)",
                                      "k0 VARCHAR(200) CHARACTER SET latin1 NOT NULL, k1 DECIMAL(65) NOT NULL, n INT NOT NULL, PRIMARY KEY "
                                      "(k0, k1) USING HASH) ENGINE = MEMORY",
                                      "k0 VARCHAR(200) CHARACTER SET utf8mb4 NOT NULL, k1 INT NOT NULL, n INT NOT NULL, PRIMARY KEY (k0, "
                                      "k1)"])
def test_a_server_that_sorts_by_few_bytes(server, adapter, declared):
    few = 64 if server.flavour == "MariaDB" else 4
    first, second = ("'b'", "CONCAT(REPEAT('x', 120), SHA2(%d, 256))") if "ENUM" in declared else ("CONCAT(REPEAT('x', 120), SHA2(%d, "
                                                                                                   "256))", "%d")
    server.run(f"DROP TABLE IF EXISTS few; CREATE TABLE few ({declared}{'' if 'ENGINE' in declared else ')'}; INSERT INTO few VALUES " +
               ", ".join(f"({first % i if '%' in first else first}, {second % i}, {i})" for i in range(1200)) + "; ANALYZE TABLE few", "d")
    before = server.query("SELECT @@GLOBAL.max_sort_length, @@GLOBAL.optimizer_switch")[0]
    try:
        server.run(f"SET GLOBAL max_sort_length = {few}")
        if server.flavour == "MySQL":
            server.run("SET GLOBAL optimizer_switch = 'prefer_ordering_index=off'")
        assert sorted(int(row[2]["n"]) for row in adapter.call("chunks", "d", "few", 4, 1)) == list(range(1200))
    finally:
        server.run(f"SET GLOBAL max_sort_length = {before[0]}, GLOBAL optimizer_switch = '{before[1]}'")


def test_a_large_table_is_divided_evenly(server, adapter):
    import subprocess
    server.run("DROP TABLE IF EXISTS wide; CREATE TABLE wide (a varchar(20) primary key, n int); SET SESSION "
               "cte_max_recursion_depth = 100000" if not server.flavour == "MariaDB" else
               "DROP TABLE IF EXISTS wide; CREATE TABLE wide (a varchar(20) primary key, n int)", "d")
    server.run("CREATE TEMPORARY TABLE digits (i int); INSERT INTO digits VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9);"
               "CREATE TEMPORARY TABLE digits2 SELECT * FROM digits; CREATE TEMPORARY TABLE digits3 SELECT * FROM digits;"
               "CREATE TEMPORARY TABLE digits4 SELECT * FROM digits; INSERT INTO wide SELECT CONCAT('key', a.i, b.i, c.i, d.i), "
               "a.i + 10 * b.i + 100 * c.i + 1000 * d.i FROM digits a, digits2 b, digits3 c, digits4 d; ANALYZE TABLE wide", "d")
    result = subprocess.run(adapter.command(server.url(), "chunks", "d", "wide", 5, 1), capture_output=True, text=True)
    assert len(result.stdout.splitlines()) == 10000
    assert int(result.stderr.split()[0]) in (5, 6)
