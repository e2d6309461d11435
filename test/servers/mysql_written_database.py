"""The database that mysql_writer.py writes to: tables of all kinds, with rows in them."""
from mysql_writer import Writer, aside

SCHEMA = """
    CREATE TABLE numbers (i INT PRIMARY KEY);
    CREATE TABLE everything (id INT PRIMARY KEY, ti TINYINT, su SMALLINT UNSIGNED, mi MEDIUMINT, mu MEDIUMINT UNSIGNED, bi BIGINT,
        bu BIGINT UNSIGNED, de DECIMAL(12,3), fl FLOAT, do DOUBLE, bt BIT(9), ye YEAR, da DATE, dt DATETIME(3), ts TIMESTAMP(6) NULL,
        tm TIME(2), ch CHAR(9), vc VARCHAR(300), la VARCHAR(40) CHARACTER SET latin1, cy CHAR(20) CHARACTER SET cp1251,
        sj VARCHAR(30) CHARACTER SET sjis, uc VARCHAR(30) CHARACTER SET ucs2, tx TEXT, lt LONGTEXT, bn BINARY(6), vb VARBINARY(300),
        bl BLOB, en ENUM('a','b','é'), se SET('x','y','z w'), js JSON, ge GEOMETRY, po POINT,
        st INT AS (id * 2) STORED, vi INT AS (id * 3) VIRTUAL);
    CREATE TABLE texts (k VARCHAR(40) COLLATE utf8mb4_general_ci PRIMARY KEY, a TEXT, b VARCHAR(200) CHARACTER SET utf16, n INT);
    CREATE TABLE pairs (a INT, b VARBINARY(12), n INT, body VARCHAR(100), PRIMARY KEY (a, b));
    CREATE TABLE bulk (id BIGINT PRIMARY KEY, n BIGINT, body VARCHAR(60));
    CREATE TABLE only_unique (u INT NOT NULL, n INT, d DATETIME NOT NULL DEFAULT '2024-01-01', UNIQUE (u, d));
    CREATE TABLE parted (id INT PRIMARY KEY, n INT, t TEXT) PARTITION BY HASH (id) PARTITIONS 4;
    CREATE TABLE listed (id INT PRIMARY KEY, n INT) PARTITION BY LIST (id % 4) (
        PARTITION l0 VALUES IN (0, 1, 2), PARTITION l1 VALUES IN (3));
    CREATE TABLE flat (id INT PRIMARY KEY, n INT, t VARCHAR(100)) ENGINE = {flat};
    CREATE TABLE flat_pairs (a VARCHAR(20) COLLATE utf8mb4_bin, b INT, n INT, PRIMARY KEY (a, b)) ENGINE = {flat};"""
MARIADB_SCHEMA = "CREATE TABLE own_types (u INT PRIMARY KEY, a UUID, b INET6, c INET4, d VARCHAR(20));"


def create_database(server, database, rows=200, seed=0):
    """The tables, and what is in them before anybody follows them."""
    server.run("".join(f"DROP DATABASE IF EXISTS {name}; CREATE DATABASE {name} CHARACTER SET utf8mb4;" for name in (database,
                                                                                                                     aside(database))), "")
    mariadb = server.flavour == "MariaDB"
    server.run(SCHEMA.format(flat="Aria" if mariadb else "MyISAM") + (MARIADB_SCHEMA if mariadb else ""), database)
    server.run("INSERT INTO numbers SELECT a.i * 1000 + b.i * 100 + c.i * 10 + d.i FROM (SELECT 0 i UNION SELECT 1 UNION SELECT 2 "
               "UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9 UNION "
               "SELECT 10 UNION SELECT 11 UNION SELECT 12 UNION SELECT 13 UNION SELECT 14 UNION SELECT 15 UNION SELECT 16 UNION "
               "SELECT 17 UNION SELECT 18 UNION SELECT 19) a, "
               + ", ".join(f"(SELECT 0 i {' '.join(f'UNION SELECT {n}' for n in range(1, 10))}) {t}" for t in "bcd"), database)
    server.run("INSERT INTO bulk SELECT i, i % 97, CONCAT('row ', i) FROM numbers", database)
    writer = Writer(server, database, f"{seed} fill")
    writer.reload()
    for table in writer.tables.values():
        if table.name not in ("numbers", "bulk"):
            for _ in range(rows // 20):
                writer.execute(writer.insert(table, rows=20))
    writer.connection.close()
