"""Change streams and the forms of logs: files, ends, encryption, compression, checksums, GTIDs."""
import os
import signal
import time

import pytest

from expected import KIND, inserts, n


def test_positions_cross_files_and_restarts(server, adapter, table):
    stream = adapter.stream(table)
    server.run(f"INSERT INTO {table} VALUES (1, 'x'); FLUSH BINARY LOGS; INSERT INTO {table} VALUES (2, 'x')", "d")
    assert stream.changes() == inserts(table, 1, 2)
    server.restart()
    error = stream.error()
    assert error["retryable"] and error["error"] == KIND["unreachable"], error
    server.run(f"INSERT INTO {table} VALUES (3, 'x')", "d")
    assert adapter.stream(table, position=stream.position).changes() == inserts(table, 3)
    assert adapter.stream(table, position=stream.start).changes() == inserts(table, 1, 2, 3)


def test_the_end_of_the_log_is_told_while_nothing_happens(server, adapter, table):
    stream = adapter.stream(table)
    deadline = time.monotonic() + 120
    ends = 0
    while ends < 3:  # in a row: a server that is held up for two seconds is rightly not believed to be at the end
        assert time.monotonic() < deadline
        began = time.monotonic()
        batch = stream.read(100, 1000, 700)  # longer than from heartbeat to heartbeat
        assert not batch["transactions"] and 0.6 < time.monotonic() - began < 30
        ends = ends + 1 if batch["end"] else 0


def test_a_server_that_is_silent_is_not_at_the_end_of_its_log(server, adapter, table):
    stream = adapter.stream(table)
    while not stream.read(100, 1000, 100)["end"]:
        pass
    os.kill(server.pid(), signal.SIGSTOP)
    try:
        deadline = time.monotonic() + 60
        while stream.read(100, 1000, 500)["end"]:
            assert time.monotonic() < deadline
    finally:
        os.kill(server.pid(), signal.SIGCONT)
    server.run(f"INSERT INTO {table} VALUES (1, 'x')", "d")
    assert stream.changes() == inserts(table, 1)


def test_large_events_arrive_encrypted_too(server, adapter, table):
    server.run(f"ALTER TABLE {table} MODIFY b longtext", "d")
    stream = adapter.stream(table, url=server.url(parameters="sslmode=prefer"))
    for key, size in enumerate([10, 3000, 16_000, 40_000, 3_000_000, 5]):
        server.run(f"INSERT INTO {table} VALUES ({key}, REPEAT('y', {size}))", "d")
    assert [len(change[2][1]) for change in stream.changes()] == [10, 3000, 16_000, 40_000, 3_000_000, 5]


def test_compressed_logs_are_read(server, adapter, table, is_mariadb):
    server.run(f"ALTER TABLE {table} MODIFY b longtext", "d")
    stream = adapter.stream(table)
    switch = "SET GLOBAL log_bin_compress = {}" if is_mariadb else "SET SESSION binlog_transaction_compression = {}"
    server.run(switch.format("ON") + f"; BEGIN; INSERT INTO {table} VALUES (1, REPEAT('x', 500)), (2, 'x'); "
               f"UPDATE {table} SET b = REPEAT('y', 9000); COMMIT; DELETE FROM {table} WHERE a = 1; " + switch.format("OFF"), "d")
    assert [(change[0], change[-1][0]) for change in stream.changes(2)] == [
        ("insert", n(1)), ("insert", n(2)), ("update", n(1)), ("update", n(2)), ("delete", n(1))]


@pytest.mark.parametrize("cut", [27, 31], ids=["between events", "within one"])
def test_what_a_crash_has_cut_off_in_the_log_was_never_committed(server, adapter, table, is_mariadb, cut):
    """MariaDB leaves it where it stands, and begins another file behind it."""
    if not is_mariadb:
        pytest.skip("MySQL cuts it off when it starts")
    stream = adapter.stream(table)
    server.run(f"INSERT INTO {table} VALUES (1, 'x'), (2, 'x')", "d")
    server.crash_within_transaction(f"UPDATE {table} SET b = 'y'", f"UPDATE {table} SET b = 'x'", "d", cut)
    later = adapter.stream(table, position=stream.start)
    assert later.opened == "opened", later.opened
    if cut == 31:  # the server ends the stream there, and begins the next one behind it
        batch = later.read()
        assert batch["changes"][:batch["complete"]] == inserts(table, 1, 2)
        assert later.error()["retryable"]
        later = adapter.stream(table, position=later.position).is_open()
        server.run(f"INSERT INTO {table} VALUES (3, 'x')", "d")
        assert later.changes() == inserts(table, 3)
        return
    assert later.changes() == inserts(table, 1, 2)
    server.run(f"INSERT INTO {table} VALUES (3, 'x')", "d")
    assert later.changes() == inserts(table, 3)
    divided = adapter.stream(table, position=stream.start)
    done, still_open = [], []
    for batch in divided.read_all(1):
        still_open = [] if batch["withdrawn"] else still_open
        if batch["position"]:
            done += still_open + batch["changes"][:batch["complete"]]
            still_open = []
        still_open += batch["changes"][batch["complete"]:]
    assert (done, still_open) == (inserts(table, 1, 2, 3), [])


def test_logs_without_checksums_are_read(server, adapter, table):
    first = adapter.stream(table)
    server.run(f"INSERT INTO {table} VALUES (1, 'x'); SET GLOBAL binlog_checksum = NONE; INSERT INTO {table} VALUES (2, 'x')", "d")
    try:
        assert first.changes() == inserts(table, 1, 2)
        assert adapter.stream(table, position=first.start).changes() == inserts(table, 1, 2)
    finally:
        server.run(f"SET GLOBAL binlog_checksum = CRC32; INSERT INTO {table} VALUES (3, 'x')", "d")
    assert first.changes() == inserts(table, 3)
    assert adapter.stream(table, position=first.start).changes() == inserts(table, 1, 2, 3)


def test_gtids_of_every_kind_make_positions(server, adapter, table, is_mariadb):
    """Domains of MariaDB; tags of MySQL."""
    stream = adapter.stream(table)
    kinds = ["gtid_domain_id = 7", "gtid_domain_id = 3", "server_id = 99"] if is_mariadb else ["gtid_next = 'AUTOMATIC:blue'"]
    for key, kind in enumerate(kinds):
        server.run(f"SET SESSION {kind}; INSERT INTO {table} VALUES ({key}, 'x')", "d")
    server.run(f"INSERT INTO {table} VALUES (10, 'x')", "d")
    expected = inserts(table, *range(len(kinds)), 10)
    assert sorted(stream.changes(), key=str) == sorted(expected, key=str)
    assert ("7-" in stream.position and "3-" in stream.position) if is_mariadb else ":blue:1" in stream.position
    server.run(f"INSERT INTO {table} VALUES (11, 'x')", "d")
    assert adapter.stream(table, position=stream.position).changes() == inserts(table, 11)
