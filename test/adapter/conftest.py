"""Fixtures of the adapter tests: both kinds of server, and the adapter behind its driver program."""
import json
import os
import pathlib
import subprocess
import sys

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
        self.process.wait(30)


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
