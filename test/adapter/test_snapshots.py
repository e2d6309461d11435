"""Snapshots: one state, joined only when that is provable; interrupts, restarts, and what an ALTER at the source meets."""
import os
import signal
import subprocess
import threading
import time

import pytest


@pytest.fixture
def table(server):
    server.run("DROP TABLE IF EXISTS s; CREATE TABLE s (a int PRIMARY KEY, b int); INSERT INTO s VALUES (1, 1), (2, 2)", "d")


@pytest.fixture
def holder(adapter, table):
    held = adapter.hold("d", "s")
    yield held
    held.close()


def test_a_state_is_joined_until_something_is_committed(server, adapter, holder):
    assert "moment" not in holder.position
    assert holder.ask(holder.position) == "joined"
    server.run("UPDATE s SET b = 3", "d")
    assert holder.ask(holder.position).startswith("error 10 ")
    later = adapter.hold("d", "s")
    assert later.position != holder.position
    assert later.reached(later.position, holder.position)
    assert not later.reached(holder.position, later.position)
    assert later.ask(later.position) == "joined"
    later.close()


def test_under_writers_no_state_is_joined_wrongly(server, adapter, table):
    """Where a join succeeds, both snapshots hold the same rows."""
    stop = threading.Event()

    def write():
        while not stop.is_set():
            server.run("".join(f"UPDATE s SET b = b + 1 WHERE a = {1 + i % 2}; DO SLEEP(0.03);" for i in range(50)), "d")
    writers = [threading.Thread(target=write) for _ in range(3)]
    for writer in writers:
        writer.start()
    outcomes = set()
    try:
        for _ in range(10):
            held = adapter.hold("d", "s")
            for _ in range(5):
                outcomes.add(held.ask(held.position).split(" of ")[0])
            held.close()
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    assert outcomes <= {"joined", "error 10 the state"}, outcomes


def test_an_alter_at_the_source_does_not_wait_for_a_snapshot(server, adapter, table):
    server.run("DROP TABLE IF EXISTS altered; CREATE TABLE altered (a int PRIMARY KEY)", "d")
    held = adapter.hold("d", "s")
    began = time.monotonic()
    server.run("ALTER TABLE altered ADD COLUMN b int", "d")
    assert time.monotonic() - began < 30
    held.close()


def fill_large(server, rows=200_000):
    if server.query("SELECT 1 FROM information_schema.tables WHERE table_schema = 'd' AND table_name = 'slow'"):
        return
    server.run("CREATE TABLE slow (a int PRIMARY KEY, pad varchar(200)); INSERT INTO slow VALUES (1, REPEAT('x', 200))", "d")
    while int(server.value("SELECT COUNT(*) FROM slow", "d")) < rows:
        server.run("INSERT INTO slow SELECT a + (SELECT MAX(a) FROM slow), pad FROM slow", "d")


def test_an_interrupt_ends_a_wait(server, adapter):
    """The server is stopped before it can send a row: nothing comes any more."""
    fill_large(server)
    process = subprocess.Popen(adapter.command(server.url(), "interrupt", "d", "slow", 1500), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               text=True)
    assert process.stdout.readline() == "open\n"
    os.kill(server.pid(), signal.SIGSTOP)
    try:
        began = time.monotonic()
        out, _ = process.communicate("read\n", timeout=240)
        took = time.monotonic() - began
    finally:
        os.kill(server.pid(), signal.SIGCONT)
    assert process.returncode == 3 and '"error": 17' in out, out
    assert 1.4 < took < 60  # an answer is waited for much longer


def test_a_server_that_dies_is_an_error_that_passes(server, adapter):
    fill_large(server)
    process = subprocess.Popen(adapter.command(server.url(), "hold", "d", "slow"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    position = process.stdout.readline().strip()
    server.restart()
    process.stdin.write(position + "\n")
    process.stdin.close()
    assert process.stdout.readline().startswith("error")
    process.wait(240)
    server.kill()
    assert adapter.call("tables")["error"] == 8
    server.start()
    assert isinstance(adapter.call("tables"), list)
