"""Tables and rows of MySQL and MariaDB that are far larger than a batch."""
import threading

from private_cluster import wait_until
from observing import caught_up, equal, rows


def test_a_big_table_is_copied_beside_the_log_by_several_workers(cluster, db, follow):
    db.run("CREATE TABLE big (id INT PRIMARY KEY AUTO_INCREMENT, v INT, filler CHAR(80)); "
           "INSERT INTO big (v, filler) SELECT 0, 'x' FROM information_schema.columns a, (SELECT 1 FROM information_schema.columns LIMIT "
           "100) b LIMIT 150000", "shop")
    stop = threading.Event()

    def write():
        number = 0
        while not stop.is_set():
            number += 1
            db.run(f"UPDATE big SET v = v + 1 WHERE id % 1000 = {number % 1000}; DELETE FROM big WHERE id = {number * 7}; "
                   f"INSERT INTO big (v) VALUES ({number})", "shop")
    writer = threading.Thread(target=write)
    writer.start()
    try:
        follow()
        begun = "SELECT copy_started_at FROM replicator.source_table WHERE name = 'big'"
        before = cluster.query(begun)
        cluster.query("SELECT replicator_resync('s', 'big')")
        wait_until(lambda: cluster.query(begun + " AND rows_copied > 0") not in ([], before), 45, "the second copy to be under way")
    finally:
        stop.set()
        writer.join()
    caught_up(cluster)
    assert equal(cluster)


def test_events_of_200_megabytes(cluster, db, follow):
    """One row of 100 MB, and its two images in an update: twelve packets of the protocol, far more than a batch."""
    limit = db.value("SELECT @@GLOBAL.max_allowed_packet")
    db.run("SET GLOBAL max_allowed_packet = 1073741824; CREATE TABLE shop.huge (id INT PRIMARY KEY, v LONGTEXT)")
    try:
        follow()
        db.run("INSERT INTO huge VALUES (1, REPEAT('abcdefghij', 10000000)); INSERT INTO huge VALUES (7, 'small')", "shop")
        caught_up(cluster)
        digest = "SELECT id, octet_length(data->>'v'), encode(sha256(convert_to(data->>'v', 'UTF8')), 'hex') FROM s.huge ORDER BY id"
        expected = [(int(size), text) for size, text in db.query("SELECT LENGTH(v), SHA2(v, 256) FROM huge ORDER BY id", "shop")]
        assert cluster.query(digest) == [("1", *expected[0]), ("7", *expected[1])]
        db.run("UPDATE huge SET id = 2 WHERE id = 1", "shop")
        caught_up(cluster)
        assert cluster.query(digest) == [("2", *expected[0]), ("7", *expected[1])]
        db.run("DELETE FROM huge WHERE id = 2", "shop")
        caught_up(cluster)
        assert cluster.query(digest) == [("7", *expected[1])]
    finally:
        # MariaDB could not read this file of its log again.
        db.run(f"FLUSH BINARY LOGS; SET GLOBAL max_allowed_packet = {limit}")


def test_rows_that_come_behind_a_copy_beside_the_stream_stay(cluster, db, follow):
    """The copy ends by deleting what neither it nor the stream has met."""
    db.run("CREATE TABLE big (id INT PRIMARY KEY); INSERT INTO big WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i "
           "< 1000) "
           "SELECT a.i * 1000 + b.i FROM n a JOIN n b WHERE a.i <= 15", "shop")
    follow(options='{"apply_batch_rows": 100}')
    holder = cluster.connect()
    # The second window is not written before the lock is free.
    cluster.query("""SELECT replicator_pause('s');
        CREATE FUNCTION public.hold() RETURNS trigger LANGUAGE plpgsql AS
            $$BEGIN PERFORM pg_advisory_xact_lock_shared(4711); RETURN new; END$$;
        CREATE TRIGGER hold BEFORE UPDATE ON replicator.source_table FOR EACH ROW
            WHEN (old.name = 'big' AND old.copy_bound <> '' AND new.copy_bound <> old.copy_bound) EXECUTE FUNCTION public.hold();
        ALTER TABLE replicator.source_table ENABLE ALWAYS TRIGGER hold""")
    try:
        holder.cursor().execute("SELECT pg_advisory_lock(4711)")
        cluster.query("INSERT INTO s.big VALUES ('none of ours', '{}', now()); SELECT replicator_resync('s', 'big'); SELECT "
                      "replicator_resume('s')")
        wait_until(lambda: cluster.query("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"), what="the copy to wait")
        assert cluster.query("SELECT state, copy_bound <> '' FROM replicator.source_table WHERE name = 'big'") == [("copying", True)]
        db.run("INSERT INTO big VALUES (0); DELETE FROM big WHERE id = 1001; UPDATE big SET id = -5 WHERE id = 16000", "shop")
    finally:
        holder.close()
        cluster.query("DROP FUNCTION public.hold() CASCADE")
    caught_up(cluster)
    assert {"0", "-5"} <= set(rows(cluster, "big")) and not {"1001", "16000", "none of ours"} & set(rows(cluster, "big"))
    assert equal(cluster)
