"""Fixtures of the adapter tests: both kinds of server, and the adapter behind its driver program."""
import itertools
import json
import os
import pathlib
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("PGREPL_BUILD", ROOT / "build"))  # another build: with sanitizers
sys.path.insert(0, str(ROOT / "test/servers"))

from mysql_servers import MariaDbServer, MySqlServer, UnavailableServer  # noqa: E402


class Adapter:
    """The MySQL adapter, opened for one server."""
    def __init__(self, server):
        self.server = server

    @staticmethod
    def command(url, *arguments):
        return [str(BUILD / "adapter_driver"), str(BUILD / "pg_replicator_mysql.so"), url,
                *map(str, arguments)]

    def call(self, *arguments, url=None):
        """What the driver prints, parsed; an error of the adapter is a dictionary with `error`."""
        result = subprocess.run(self.command(url or self.server.url(), *arguments), capture_output=True, timeout=300)
        lines = result.stdout.decode().split("\n")[:-1]  # not splitlines(): U+0085 is text
        if result.returncode == 3:
            return json.loads(lines[-1])
        assert result.returncode == 0, result.stderr.decode(errors="replace")
        return [json.loads(line) for line in lines]

    def rows(self, database, table):
        return self.call("rows", database, table)

    def tables(self, database=""):
        found = self.call("tables", url=self.server.url(database))
        return {table["table"]: table for table in found} if isinstance(found, list) else found

    def hold(self, database, table):
        """Holds a snapshot; ask() it to join positions and to compare the table's rows."""
        return Holder(self.command(self.server.url(), "hold", database, table))


    def stream(self, *tables, reader_id=None, position=None, url=None):
        """A change stream that follows the tables of database d, opened at the low mark or at `position`."""
        stream = Stream(self.command(url or self.server.url(), "stream", reader_id or next(reader_ids)))
        stream.start = position or stream.ask("low")
        for table in tables:
            assert stream.ask(f"table d {table}") == "followed"
        stream.opened = stream.ask(f"open {stream.start}")
        return stream


class Stream:
    """The driver's change stream (stream_commands.hpp)."""
    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        streams.append(self)
        self.position = None

    def ask(self, line):
        """The answer: text, or what its JSON says."""
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().decode().rstrip("\n")
        return json.loads(answer) if answer.startswith("{") else answer

    def is_open(self):
        assert self.opened == "opened", self.opened
        return self

    def read(self, *limits):
        batch = self.ask(" ".join(map(str, ("read",) + limits)))
        assert isinstance(batch, dict), "the driver has ended"
        self.position = batch.get("position") or self.position
        return batch

    def read_all(self, *limits):
        """All that is in the log now: batches, until nothing more is there."""
        mark = self.ask("high")
        batches = []
        deadline = time.monotonic() + 240
        while not batches or self.ask(f"reached {self.position or self.start}\t{mark}") != "1":
            batch = self.read(*limits)
            assert "error" not in batch, batch
            assert time.monotonic() < deadline, batches
            batches.append(batch)
        return batches

    def changes(self, *limits):
        return [change for batch in self.read_all(*limits) for change in batch["changes"]]

    def schema(self):
        """Changes of tables' structure without the statements' texts."""
        return [tuple(change[:3]) for batch in self.read_all() for change in batch["schema"]]

    def error(self):
        """The error that the stream ends with, now or soon."""
        if isinstance(self.opened, dict):
            return self.opened
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            batch = self.read()
            if "error" in batch:
                return batch
        raise AssertionError("no error came")

    def close(self):
        if not self.process.stdin.closed:
            self.process.stdin.close()
            self.process.wait(240)
            self.process.stdout.close()


streams = []
reader_ids = itertools.count(100_000)


@pytest.fixture(autouse=True)
def closed_streams():
    yield
    while streams:
        streams.pop().close()


class Holder:
    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.position = self.process.stdout.readline().strip()

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def reached(self, held, mark):
        return self.ask(f"reached {held}\t{mark}") == "1"

    def close(self):
        self.process.stdin.close()
        self.process.wait(240)


@pytest.fixture(scope="session", params=[MariaDbServer, MySqlServer], ids=["mariadb", "mysql"])
def server(request):
    try:
        instance = request.param()
    except UnavailableServer as reason:
        pytest.skip(str(reason))
    instance.run("CREATE DATABASE d")
    yield instance
    instance.destroy()


@pytest.fixture
def adapter(server):
    return Adapter(server)


@pytest.fixture
def is_mariadb(server):
    return server.flavour == "MariaDB"


stream_numbers = itertools.count()


@pytest.fixture
def table(server):
    """A table of its own for each test."""
    name = f"stream{next(stream_numbers)}"
    server.run(f"CREATE TABLE {name} (a int PRIMARY KEY, b varchar(20))", "d")
    return name
