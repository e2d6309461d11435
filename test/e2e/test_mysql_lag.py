"""What the views say of how far a stream is behind: where the network is slower than everything else, where clocks are
wrong, and where no worker is at work."""
import contextlib
import os
import signal
import socket
import threading
import time

import pytest

from private_cluster import wait_until
from observing import caught_up

BYTES_A_SECOND = 200_000


class SlowLink:
    """Forwards connections to the server; what comes from it comes slowly, if `slow` is set, and not before `open` is."""
    def __init__(self, port):
        self.target = port
        self.slow = False
        self.open = threading.Event()
        self.open.set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.target))
                far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
                for pair in ((near, far, False), (far, near, True)):
                    threading.Thread(target=self.forward, args=pair, daemon=True).start()

    @staticmethod
    def packets(socket_):
        """One after the other: a pause between two events is what a stream may take for the end of the log."""
        with socket_.makefile("rb") as stream:
            while header := stream.read(4):
                yield header + stream.read(int.from_bytes(header[:3], "little"))

    def forward(self, from_, to, from_server):
        with contextlib.suppress(OSError):
            for data in self.packets(from_) if from_server else iter(lambda: from_.recv(8_192), b""):
                if from_server:
                    self.open.wait()
                to.sendall(data)
                if self.slow and from_server:
                    time.sleep(len(data) / BYTES_A_SECOND)
        for end in (from_, to):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.listener.close()


@pytest.fixture
def slow_source(cluster, db, server):
    link = SlowLink(server.port)
    db.run("CREATE TABLE shop.big (id INT PRIMARY KEY, filler TEXT)")
    url = server.url("shop").replace(f":{server.port}/", f":{link.port}/")
    cluster.query("SELECT replicator_init(%s, name => 'slow', target_schema => 'slow')", (url,))
    cluster.wait_for_state("slow", "streaming")
    yield link
    link.slow = False
    link.open.set()
    cluster.query_when_up("SELECT replicator_drop('slow', drop_tables => true)")
    link.close()


def fill(db, first):
    """1.2 MB in 300 transactions, of a session whose clock runs ahead."""
    db.run("SET timestamp = UNIX_TIMESTAMP() + 3;" + "".join(f"INSERT INTO big VALUES ({first + i}, REPEAT('x', 4000));" for i
                                                             in range(300)), "shop")


def false_zeros(cluster, last):
    """Samples until the last row is there: times at which no lag was shown though it was not."""
    seen = []

    def complete():
        looked_at = time.monotonic()
        lag = cluster.query("SELECT lag FROM replicator_status WHERE name = 'slow'")[0][0]
        # In a statement of its own: the lag is told from memory, and a snapshot taken before that may lack the row.
        there = cluster.query("SELECT EXISTS (SELECT FROM slow.big WHERE id = %s)", (str(last),))[0][0]
        if lag is not None and lag.total_seconds() == 0 and not there:
            seen.append(looked_at)
        return there
    wait_until(complete, 240, "the last row", interval=0.1)
    return seen


def test_a_slow_network_is_no_end_of_the_log(cluster, db, slow_source):
    slow_source.slow = True
    slow_source.open.clear()  # else a server that is slow, too, would have nothing left to send
    fill(db, 0)
    slow_source.open.set()
    began = time.monotonic()
    zeros = false_zeros(cluster, 299)
    # The end of the log may have been seen just before the first of the changes was made.
    assert [at - began for at in zeros if at - began > 2.5] == []


def test_a_stream_that_begins_behind_is_not_at_the_end(cluster, db, slow_source):
    caught_up(cluster, "slow")
    cluster.query("SELECT replicator_pause('slow')")
    wait_until(lambda: not cluster.workers("source worker"), 45, "the worker to end")
    fill(db, 300)
    slow_source.slow = True
    # The end of the log was seen just before the pause.
    wait_until(lambda: cluster.query("SELECT lag > interval '0' FROM replicator_status WHERE name = 'slow'")[0][0], 45, "the lag to grow")
    cluster.query("SELECT replicator_resume('slow')")
    assert false_zeros(cluster, 599) == []


def lag_is(cluster, condition):
    return cluster.query(f"SELECT lag {condition} FROM replicator_status WHERE name = 's'")[0][0]


def test_a_clock_that_runs_ahead_hides_nothing(cluster, db, follow):
    follow()
    db.run("SET timestamp = UNIX_TIMESTAMP() + 86400; INSERT INTO customer VALUES (4, 'tomorrow', 0, NULL)", "shop")
    caught_up(cluster)
    pid = cluster.status("s")["worker_pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_until(lambda: lag_is(cluster, "> interval '3 seconds'"), 45, "the lag to grow")
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: lag_is(cluster, "= interval '0'"), 45, "the lag to be gone")


def test_a_clock_that_is_late_is_not_the_streams_lag(cluster, db, follow):
    """The log is never quiet meanwhile."""
    follow()
    done = threading.Event()

    def write():
        statement = "INSERT INTO customer SELECT MAX(id) + 1, 'yesterday', 0, NULL FROM customer; DO SLEEP(0.1);"
        while not done.is_set():
            db.run("SET timestamp = UNIX_TIMESTAMP() - 86400;" + 10 * statement, "shop")
    writer = threading.Thread(target=write)
    writer.start()
    try:
        # By then nobody remembers the quiet before.
        wait_until(lambda: cluster.query("SELECT count(*) > 40 FROM s.customer")[0][0], 120, "rows to come")
        wait_until(lambda: lag_is(cluster, "= interval '0'"), 45, lambda: f"no lag: {cluster.status('s')['lag']}")
    finally:
        done.set()
        writer.join()


def test_what_was_known_of_the_lag_outlives_the_worker_and_the_server(cluster, db, follow):
    follow()
    caught_up(cluster)
    wait_until(lambda: lag_is(cluster, "= interval '0'"), 45, "the end of the log to be seen")
    # Of a source that is quiet, and was copied long ago.
    cluster.query("UPDATE replicator.position SET source_time = now() - interval '1 day'; "
                  "UPDATE replicator.source_state SET copy_started_at = now() - interval '1 day'")
    cluster.query("SELECT replicator_pause('s')")
    wait_until(lambda: not cluster.workers("source worker"), 45, "the worker to end")
    assert lag_is(cluster, "< interval '1 hour'"), cluster.status("s")
    cluster.restart()
    assert lag_is(cluster, "< interval '1 hour'"), cluster.status("s")
    cluster.query("SELECT replicator_resume('s')")
    while cluster.status("s")["state"] != "streaming":
        assert lag_is(cluster, "< interval '1 hour'"), cluster.status("s")
