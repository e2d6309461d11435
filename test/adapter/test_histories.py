"""Whether the log that a server has now is the one that was read before, and goes on from there."""
import itertools
import os
import shutil
import subprocess

import pytest

from private_cluster import wait_until
from expected import expect, inserts

numbers = itertools.count()


@pytest.fixture
def reset(server):
    """Resets the log, in another second of the server's clock than all that was in it."""
    def do():
        server.run("DO SLEEP(1.1); " + ("RESET MASTER" if server.flavour == "MariaDB" else "RESET BINARY LOGS AND GTIDS"))
    return do


@pytest.fixture
def table(server):
    name = f"h{next(numbers)}"
    server.run(f"CREATE TABLE {name} (a int PRIMARY KEY, b varchar(20))", "d")
    return name


def insert(server, table, *keys, before=""):
    server.run(before + "".join(f"INSERT INTO {table} VALUES ({key}, 'x');" for key in keys), "d")


def purge(server):
    """All files but the last. A server keeps those that are being read, and MariaDB until a checkpoint says that they are not needed."""
    wait_until(lambda: server.value("SELECT COUNT(*) FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'") == "0",
               45, lambda: "the end of the streams")
    last = server.query("SHOW BINARY LOGS")[-1][0]

    def purged():
        server.run(f"PURGE BINARY LOGS TO '{last}'")
        return len(server.query("SHOW BINARY LOGS")) == 1
    wait_until(purged, 45, lambda: "the purge")


def left_at(stream):
    """The position of a stream that has read all there is, and is closed."""
    stream.is_open().read_all()
    position = stream.position or stream.ask("start")
    stream.close()
    return position


def test_a_log_that_was_reset_and_has_overtaken_the_position_is_another(server, adapter, table, reset):
    reset()
    unread = left_at(adapter.stream(table))
    stream = adapter.stream(table, position=unread)
    insert(server, table, 1, 2, 3)
    read = left_at(stream)
    anchored = stream_at_low(adapter, table)
    reset()
    insert(server, table, *range(4, 44))
    for position in (unread, read, anchored):
        expect(adapter.stream(table, position=position).error(), "diverged", "log", "replicator_resync")
    assert adapter.stream(table).is_open().ask("doubt") == ""


def test_a_reset_of_something_else_is_none_of_the_log(server, adapter, table, is_mariadb, reset):
    reset()
    stream = adapter.stream(table)
    insert(server, table, 1)
    stream.is_open().read_all()
    server.run("RESET QUERY CACHE" if is_mariadb else "RESET PERSIST")
    assert stream.ask("intact " + stream.position) == "1"
    reset()
    assert stream.ask("intact " + stream.position) == "0"


def test_what_was_logged_without_a_gtid_meanwhile_is_lost(server, adapter, table, is_mariadb):
    if is_mariadb:
        pytest.skip("MariaDB names every transaction")
    stream = adapter.stream(table)
    insert(server, table, 1)
    read = left_at(stream)
    try:
        for mode in ("ON_PERMISSIVE", "OFF_PERMISSIVE"):
            server.run(f"SET GLOBAL gtid_mode = {mode}")
        insert(server, table, 2)
    finally:
        for mode in ("ON_PERMISSIVE", "ON"):
            server.run(f"SET GLOBAL gtid_mode = {mode}")
    insert(server, table, 3)
    expect(adapter.stream(table, position=read).error(), "position lost", "GTID", "replicator_resync")


def stream_at_low(adapter, table):
    """Where a copy begins."""
    stream = adapter.stream(table)
    position = stream.ask("anchored " + stream.ask("low"))
    stream.close()
    return position


def test_a_log_that_has_something_else_at_the_place_is_another(server, adapter, table):
    """Also one that ends before it, as that of a server which was restored may."""
    stream = adapter.stream(table)
    insert(server, table, 1)
    read = left_at(stream)
    head, place = read.split(" log=")
    file, offset, begun, rest = place.split(":", 3)
    for other in (f"{file}:{int(offset) + 1}:{begun}:{rest}", f"{file}:{int(offset) + 1_000_000}:{begun}:{rest}",
                  f"{file}:4:{begun}:{rest}",
                  f"{file}:{offset}:{int(begun) - 1}:{rest}", f"{file.split('.')[0]}.999999:{offset}:{begun}:{rest}"):
        expect(adapter.stream(table, position=f"{head} log={other}").error(), "diverged", "log")
    assert "whether it goes on" in adapter.stream(table, position=f"{head} log=other.000001:{offset}:{begun}:{rest}").is_open().ask("doubt")
    # MariaDB knows a server again by its server_id, though its machine is another (a container). Another log may then be
    # that of another node.
    moved = head.replace(" server=", " server=x") if server.flavour == "MariaDB" else head
    assert adapter.stream(table, position=f"{moved} log={place}").is_open().ask("doubt") == ""
    if server.flavour == "MariaDB":
        assert "cannot be told" in adapter.stream(table,
                                                  position=f"{moved} log={file}:{offset}:{int(begun) - 1}:{rest}").is_open().ask("doubt")
    assert "is no place in a log" in adapter.stream(table, position=f"{head} log=x").error()["text"]


def test_files_that_end_and_servers_that_restart_change_nothing(server, adapter, table, reset):
    reset()
    insert(server, table, 1)
    anchored = stream_at_low(adapter, table)
    stream = adapter.stream(table)
    insert(server, table, 2)
    read = left_at(stream)
    server.begin_log_file()
    server.restart()
    insert(server, table, 3)
    for position, missing in ((anchored, (2, 3)), (read, (3,))):
        stream = adapter.stream(table, position=position).is_open()
        assert stream.ask("doubt") == "" and stream.changes() == inserts(table, *missing)


def test_checksums_that_come_and_go_move_nothing(server, adapter, table):
    """The server sends a file with checksums to a reader that asks for none, and the other way round."""
    stream = adapter.stream(table)
    positions = [left_at(stream)]
    before = server.value("SELECT @@GLOBAL.binlog_checksum")
    try:
        for key, checksum in enumerate(("NONE", "CRC32", "NONE"), 1):
            insert(server, table, key)
            server.run(f"SET GLOBAL binlog_checksum = '{checksum}'")
            stream = adapter.stream(table, position=positions[-1]).is_open()
            assert stream.changes() == inserts(table, key)
            positions.append(stream.position)
            stream.close()
        for key, position in enumerate(positions):
            stream = adapter.stream(table, position=position).is_open()
            assert stream.changes() == inserts(table, *range(key + 1, 4))
    finally:
        server.run(f"SET GLOBAL binlog_checksum = '{before}'")


def test_a_purge_of_what_was_read_changes_nothing(server, adapter, table, reset):
    stream = adapter.stream(table)
    insert(server, table, 1)
    positions = [left_at(stream), stream_at_low(adapter, table)]
    server.begin_log_file()
    purge(server)
    insert(server, table, 2)
    for position in positions:
        stream = adapter.stream(table, position=position).is_open()
        assert stream.ask("doubt") == "" and stream.changes() == inserts(table, 2)
    # What a server purged that was reset meanwhile is not taken for that.
    reset()
    insert(server, table, *range(3, 30))
    for position in positions:
        expect(adapter.stream(table, position=position).error(), "diverged")


def test_a_log_whose_file_is_gone_must_go_on_from_there(server, adapter, table, reset):
    """The file of the position may have been purged, of this log or of another one."""
    reset()
    insert(server, table, 1, 2, 3)
    positions = [stream_at_low(adapter, table), left_at(adapter.stream(table))]
    stream = adapter.stream(table)
    insert(server, table, 4)
    positions.append(left_at(stream))
    server.run("RESET MASTER TO 100" if server.flavour == "MariaDB" else "RESET BINARY LOGS AND GTIDS TO 100")
    insert(server, table, *range(5, 20))
    for position in positions:
        expect(adapter.stream(table, position=position).error(), "diverged", "log", "replicator_resync")
    reset()
    insert(server, table, 20)
    server.begin_log_file()
    purge(server)
    insert(server, table, *range(21, 30))
    for position in positions:
        expect(adapter.stream(table, position=position).error(), "diverged", "log", "replicator_resync")


def test_a_server_that_was_restored_is_another(server, adapter, table, reset):
    reset()
    insert(server, table, 1)
    server.stop()
    subprocess.run(["cp", "-a", server.data, server.data + ".image"], check=True)
    server.start()
    stream = adapter.stream(table)
    insert(server, table, 2, 3)
    read = left_at(stream)
    server.run("DO SLEEP(1.1)")  # files of a log are told apart by the second that they were begun in
    server.stop()
    shutil.rmtree(server.data)
    os.rename(server.data + ".image", server.data)
    server.start()
    insert(server, table, *range(4, 24))
    expect(adapter.stream(table, position=read).error(), "diverged", "replicator_resync")


def test_a_reset_shows_while_the_log_is_read(server, adapter, table, reset):
    reset()
    stream = adapter.stream(table).is_open()
    insert(server, table, 1, 2)
    stream.read_all()
    assert stream.ask("intact " + stream.position) == "1"
    reset()
    insert(server, table, 3, 4)  # it has as much as before
    assert stream.ask("intact " + stream.position) == "0"


def test_what_the_log_never_gives_shows(server, adapter, table, is_mariadb):
    """MySQL: an import has declared transactions as done."""
    if is_mariadb:
        pytest.skip("MariaDB has no gtid_purged")
    stream = adapter.stream(table).is_open()
    insert(server, table, 1)
    stream.read_all()
    assert stream.ask("intact " + stream.position) == "1"
    server.run("SET GLOBAL gtid_purged = '+aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa:1-10'")
    wait_until(lambda: stream.ask("intact " + stream.position) == "0", 60, "it to show")
    expect(adapter.stream(table, position=stream.position).error(), "position lost")


def test_a_position_in_an_empty_log_is_reached(server, adapter, table, reset):
    """Also that of a file which a restart has begun."""
    reset()
    stream = adapter.stream(table).is_open()
    low = stream.ask("low")
    assert " gtid=" in low and not stream.ask("low").split(" gtid=")[1].split(" ")[0]
    stream.close()
    server.restart()
    holder = adapter.hold("d", table)
    try:
        assert holder.reached(low, holder.position)
    finally:
        holder.close()
    stream = adapter.stream(table, position=low).is_open()
    assert stream.ask("doubt") == "" and stream.ask(f"reached {low}\t{stream.ask('high')}") == "1"
    insert(server, table, 1)
    assert stream.changes() == inserts(table, 1)
    assert stream.ask(f"reached {low}\t{stream.ask('high')}") == "0"


def of_another_server(position):
    """The position, as if it had been read from another server before a failover."""
    kind, _, rest = position.split(" ", 2)
    return f"{kind} server=00000000-0000-0000-0000-000000000000:0 {rest}"


def test_another_server_is_asked_for_what_was_not_read(server, adapter, table, is_mariadb, reset):
    reset()
    stream = adapter.stream(table)
    insert(server, table, 1)
    insert(server, table, 2, before="SET SESSION server_id = 77;" if is_mariadb else "")
    insert(server, table, 3)
    read = left_at(stream)
    if is_mariadb:
        unread = ",".join(gtid for gtid in read.split(" seen=")[1].split(" ")[0].split(",") if "-77-" in gtid)
        without = read.replace(f"{unread},", "")
        assert unread and without != read
    else:
        uuid, last = read.split(" gtid=")[1].split(" ")[0].split(":1-")
        unread = f"{uuid}:{int(last) - 1}"
        without = read.replace(f":1-{last} ", f":1-{int(last) - 2}:{last} ")

    def doubt(position):
        stream = adapter.stream(table, position=of_another_server(position)).is_open()
        assert "00000000-0000" not in stream.ask("start")
        answer = stream.ask("doubt")
        stream.close()
        return answer
    assert doubt(read) == "" and doubt(read.split(" log=")[0]) == "", "it has nothing else"
    assert unread in doubt(without) and "before" in doubt(without)
    if is_mariadb:  # written to a server that was read, and that did not pass it on
        extra = read.replace(" seen=", " seen=0-88-1,")
        assert extra != read and "0-88-1" in doubt(extra) and "does not have" in doubt(extra)
        stream = adapter.stream(table, position=of_another_server(extra)).is_open()
        assert "0-88-1" not in stream.ask("start")
        stream.close()
    insert(server, table, 4)
    assert doubt(read) == "", "that stands behind"
    assert "cannot be told" in doubt(read.split(" log=")[0])
    server.begin_log_file()
    insert(server, table, 5)
    server.begin_log_file()
    assert doubt(read) == "" and unread in doubt(without), "it is found in a file before"
    stream = adapter.stream(table, position=of_another_server(read)).is_open()
    assert stream.changes() == inserts(table, 4, 5)
    after = stream.position
    stream.close()
    purge(server)
    insert(server, table, 6)
    assert doubt(after) == "", "all that was purged was read"
    if is_mariadb:
        assert "cannot be told" in doubt(after.replace(f"{unread},", ""))
    else:  # of a restored server which has another UUID
        words = adapter.stream(table, position=after).is_open()
        insert(server, table, 7)
        latest = left_at(words)
        place = latest.split(" log=")[1].split(":")
        other_time = latest.replace(place[3], str(int(place[3]) - 1))
        insert(server, table, 8)
        expect(adapter.stream(table, position=of_another_server(other_time)).error(), "diverged", "another time")


@pytest.fixture
def only_mariadb(is_mariadb):
    if not is_mariadb:
        pytest.skip("MySQL has no domains")


def test_a_domain_that_was_deleted_is_forgotten(server, adapter, table, only_mariadb, reset):
    reset()
    stream = adapter.stream(table)
    insert(server, table, 1)
    insert(server, table, 2, before="SET SESSION gtid_domain_id = 7;")
    read = left_at(stream)
    assert ",7-" in read
    server.begin_log_file()
    purge(server)
    server.run("FLUSH BINARY LOGS DELETE_DOMAIN_ID = (7)")
    insert(server, table, 3)
    stream = adapter.stream(table, position=read).is_open()
    assert ",7-" not in stream.ask("start") and stream.changes() == inserts(table, 3)
    assert stream.ask("intact " + stream.position) == "1"


def test_a_domain_that_was_deleted_and_is_in_use_again_is_read_from_its_beginning(server, adapter, table, only_mariadb, reset):
    """Its numbers have come as far again as those that were read."""
    reset()
    stream = adapter.stream(table)
    insert(server, table, 1)
    insert(server, table, 2, before="SET SESSION gtid_domain_id = 8;")
    read = left_at(stream)
    server.begin_log_file()
    purge(server)
    server.run("FLUSH BINARY LOGS DELETE_DOMAIN_ID = (8)")
    insert(server, table, 3, 4, before="SET SESSION gtid_domain_id = 8;")
    stream = adapter.stream(table, position=read).is_open()
    assert stream.ask("doubt") == "" and stream.changes() == inserts(table, 3, 4)
    stream.close()
    server.begin_log_file()
    insert(server, table, 5, before="SET SESSION gtid_domain_id = 8;")
    assert adapter.stream(table, position=stream.position).is_open().changes() == inserts(table, 5)


def test_a_last_transaction_of_any_size_is_not_sent_again(server, adapter, only_mariadb):
    server.run("CREATE TABLE large (a int PRIMARY KEY, b longtext)", "d")
    stream = adapter.stream("large")
    server.run("INSERT INTO large SELECT seq, REPEAT('x', 1000000) FROM seq_1_to_64", "d")
    read = left_at(stream)

    def sent():
        wait_until(lambda: server.value("SELECT COUNT(*) FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'") == "0",
                   45, lambda: "the end of the streams")
        return int(server.query("SHOW GLOBAL STATUS LIKE 'Bytes_sent'")[0][1])
    before = sent()
    adapter.stream("large", position=read).is_open().close()
    assert sent() - before < 32_000_000, "what was on its way when the connection ended"
    server.run("DROP TABLE large", "d")


def test_numbers_out_of_order_are_gone_on_from(server, adapter, table, only_mariadb):
    stream = adapter.stream(table)
    insert(server, table, 1, 2)
    read = left_at(stream)
    insert(server, table, 3, before="SET SESSION server_id = 77, gtid_seq_no = 1;")
    assert server.value("SELECT @@GLOBAL.gtid_binlog_pos").startswith("0-77-1")
    stream = adapter.stream(table, position=read).is_open()
    assert stream.ask(f"reached {read}\t{stream.ask('high')}") == "0", "it was not read yet"
    assert stream.changes() == inserts(table, 3)
    between = stream.position
    assert stream.ask("intact " + between) == "1"
    stream.close()
    insert(server, table, 4)
    stream = adapter.stream(table, position=between).is_open()
    assert stream.changes() == inserts(table, 4)


@pytest.fixture
def logging_what_it_applies(server):
    """Of a replica that does not, the log is refused."""
    server.settings["log-slave-updates"] = "ON"
    server.restart()
    yield
    del server.settings["log-slave-updates"]
    server.restart()


def test_a_domain_that_a_replica_has_applied_and_not_logged_is_held(server, adapter, table, only_mariadb, logging_what_it_applies):
    stream = adapter.stream(table)
    insert(server, table, 1)
    read = left_at(stream)
    with_domain = read.replace(" gtid=", " gtid=7-5-3,")
    server.run("SET GLOBAL gtid_slave_pos = '7-5-3'")
    try:
        insert(server, table, 2)
        stream = adapter.stream(table, position=with_domain).is_open()
        assert stream.changes() == inserts(table, 2)
        assert stream.ask("intact " + stream.position) == "1" and stream.ask("shows " + stream.position) == "1"
        assert "7-5-3" in stream.position
        stream.close()
        server.run("SET GLOBAL gtid_slave_pos = '7-5-9'")  # what is between it has applied, too, and cannot give
        expect(adapter.stream(table, position=with_domain).error(), "position lost", "7-5-3")
    finally:
        server.run("SET GLOBAL gtid_slave_pos = ''")
