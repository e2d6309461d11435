"""What foreign keys change by themselves: which servers log it, and where it is warned of if they do not."""
from observing import caught_up, equal, finished, rows, table_row

CHILDREN = """USE shop; CREATE TABLE parent (id INT PRIMARY KEY, v INT) ENGINE=InnoDB;
    CREATE TABLE child (id INT PRIMARY KEY, parent INT, memo TEXT COMMENT 'ON DELETE CASCADE',
                        FOREIGN KEY (parent) REFERENCES parent (id) ON DELETE CASCADE ON UPDATE CASCADE) ENGINE=InnoDB;
    CREATE TABLE orphan (id INT PRIMARY KEY, parent INT, at TIMESTAMP DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
                         FOREIGN KEY (parent) REFERENCES parent (id) ON DELETE SET NULL) ENGINE=InnoDB;
    CREATE TABLE strict (id INT PRIMARY KEY, parent INT, memo TEXT COMMENT 'ON DELETE CASCADE',
                         FOREIGN KEY (parent) REFERENCES parent (id)) ENGINE=InnoDB;
    INSERT INTO parent VALUES (1, 1), (2, 2), (3, 3); INSERT INTO child VALUES (11, 1, ''), (12, 2, ''), (13, 3, '');
    INSERT INTO orphan (id, parent) VALUES (21, 1), (22, 2)"""


def cascades_are_missed(cluster, server, begin):
    """Warned of at each place where a person looks; mended by replicator_repair."""
    server.run(CHILDREN)
    checks = {row[0]: row[1:] for row in cluster.query(
        'SELECT "check", ok, severity, detail, hint FROM replicator_validate(%s)', (server.url("shop"),))}
    ok, severity, detail, hint = checks["foreign_keys"]
    assert (ok, severity) == (False, "warning") and "replicator_repair" in hint
    assert "shop.child (ON DELETE CASCADE, ON UPDATE CASCADE), shop.orphan (ON DELETE SET NULL)." in detail
    names = {row[0] for row in cluster.query('SELECT "check" FROM replicator_validate(%s, mode => \'once\')', (server.url("shop"),))}
    assert "foreign_keys" not in names
    filtered = cluster.query("SELECT ok, detail FROM replicator_validate(%s, exclude_tables => '{orphan,child}') WHERE \"check\" = "
                             "'foreign_keys'",
                             (server.url("shop"),))
    assert filtered[0][0] and "child" not in filtered[0][1]
    begin()
    assert "ON UPDATE CASCADE" in table_row(cluster, "child")["note"] and "replicator_repair" in table_row(cluster, "child")["note"]
    assert "ON DELETE SET NULL" in table_row(cluster, "orphan")["note"]
    assert table_row(cluster, "strict")["note"] is None and table_row(cluster, "parent")["note"] is None
    server.run("USE shop; CREATE TABLE later (id INT PRIMARY KEY); ALTER TABLE later ADD parent INT, "
               "ADD FOREIGN KEY (parent) REFERENCES parent (id) ON DELETE CASCADE; DELETE FROM parent WHERE id = 1")
    caught_up(cluster)
    assert "ON DELETE CASCADE" in table_row(cluster, "later")["note"]
    assert set(rows(cluster, "child")) == {"11", "12", "13"}
    server.run("USE shop; ALTER TABLE strict ADD CONSTRAINT acts FOREIGN KEY (parent) REFERENCES parent (id) ON DELETE SET NULL; "
               "ALTER TABLE orphan DROP FOREIGN KEY orphan_ibfk_1")
    caught_up(cluster)
    assert "ON DELETE SET NULL" in table_row(cluster, "strict")["note"] and table_row(cluster, "orphan")["note"] is None
    assert table_row(cluster, "strict")["rows_copied"] == 0, "nothing is read again"
    told = dict(cluster.query("SELECT arguments->>'table', arguments->>'note' FROM replicator_events WHERE action = 'table note changed'"))
    assert "ON DELETE SET NULL" in told["shop.strict"] and told["shop.orphan"] is None
    server.run("USE shop; ALTER TABLE orphan ADD FOREIGN KEY (parent) REFERENCES parent (id) ON DELETE SET NULL")
    caught_up(cluster)
    for table in ("child", "orphan"):
        finished(cluster, cluster.query("SELECT replicator_repair('s', %s)", (table,))[0][0])
    assert set(rows(cluster, "child")) == {"12", "13"}
    assert equal(cluster)


def test_what_foreign_keys_change_arrives_where_the_server_logs_it(cluster, db, follow, server):
    if server.flavour == "MariaDB":
        return cascades_are_missed(cluster, db, follow)
    db.run(CHILDREN)
    checks = dict(cluster.query('SELECT "check", ok FROM replicator_validate(%s)', (db.url("shop"),)))
    assert checks["foreign_keys"]
    follow()
    assert table_row(cluster, "child")["note"] is None
    db.run("USE shop; DELETE FROM parent WHERE id = 1; UPDATE parent SET id = 20 WHERE id = 3; DELETE FROM parent WHERE id = 2")
    caught_up(cluster)
    assert dict(cluster.query("SELECT id, data->>'parent' FROM s.child")) == {"13": "20"}
    assert dict(cluster.query("SELECT id, data->>'parent' FROM s.orphan")) == {"21": None, "22": None}
    assert equal(cluster)


def test_foreign_keys_of_the_storage_engine_are_warned_of_at_mysql_too(cluster, server, mysql_source):
    if server.flavour == "MariaDB":
        return
    native = type(server)({"innodb-native-foreign-keys": "ON"})
    try:
        native.run("CREATE DATABASE shop")

        def begin():
            cluster.query("SELECT replicator_init(%s, name => 's', target_schema => 's')", (native.url("shop"),))
            cluster.wait_for_state("s", "streaming")
        cascades_are_missed(cluster, native, begin)
    finally:
        cluster.query("SELECT replicator_drop('s', drop_tables => true) FROM replicator_status WHERE name = 's'")
        cluster.query("DROP SCHEMA IF EXISTS s CASCADE")
        native.destroy()


def test_warnings_of_the_source_are_raised_by_init(cluster, db, mysql_source):
    db.run(CHILDREN)
    connection = cluster.connect()
    connection.autocommit = False
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT replicator_init(%s, name => 's')", (db.url("shop"),))
        notices = "".join(connection.notices)
        assert "encryption" in notices and ("foreign_keys" in notices) == (db.flavour == "MariaDB")
        assert ("shop.child" in notices) == (db.flavour == "MariaDB")
    finally:
        connection.rollback()
        connection.close()
