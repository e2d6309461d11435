"""The MySQL and MariaDB servers of a chaos run, which are followed: their writers, and the faults that hit them.
What is written to them is drawn from the seed and from the tables that are there (mysql_writer.py)."""
import threading
import time

import mysql_compare
from faults import fault
from mysql_servers import MariaDbServer, MySqlServer
from mysql_writer import Writer, WritingThread
from mysql_written_database import create_database

KINDS = {"MariaDB": MariaDbServer, "MySQL": MySqlServer}
# A kill -9 must lose nothing that was committed.
SETTINGS = {"innodb-flush-log-at-trx-commit": 1, "sync-binlog": 1}
LARGEST_TRANSACTION = 5000
PAUSE_S = 0.01  # between two transactions


class FollowedServer:
    def __init__(self, source, seed):
        recovering = {"myisam-recover-options": "BACKUP,FORCE"} if source.flavour == "MySQL" else {}
        self.source = source
        self.server = KINDS[source.flavour]({**SETTINGS, **recovering})
        # Held while a table without transactions is written: such a table and the log part when the server is killed.
        self.guard = threading.Lock()
        try:
            create_database(self.server, source.name, seed=seed)
            self.writer = Writer(self.server, source.name, f"{seed} {source.name} load", definitions=0.01, guard=self.guard,
                                 largest=LARGEST_TRANSACTION)
        except BaseException:
            self.server.destroy()
            raise
        self.thread = None

    def go(self):
        self.thread = self.thread or WritingThread(self.writer, PAUSE_S)

    def pause(self):
        if self.thread:
            thread, self.thread = self.thread, None
            thread.stop()

    def tables(self):
        connection = mysql_compare.connect(self.server)
        try:
            return set(mysql_compare.tables_of(connection, self.source.name))
        finally:
            connection.close()

    def differences(self, postgres):
        return mysql_compare.differences(self.server, postgres, {self.source.name: self.source.name})

    def end(self):
        try:
            self.pause()
        finally:
            self.server.destroy()


def server_fault(kind, weight, act):
    @fault(kind, weight)
    def run(world, rng):
        """In the middle of whatever the source does."""
        chosen, moment = rng.random(), rng.uniform(0, 0.5)
        if not world.followed:
            return None
        followed = sorted(world.followed.values(), key=lambda each: each.source.name)[int(chosen * len(world.followed))]
        act(followed, moment)
        return followed.source.name


def kill(followed, moment):
    with followed.guard:
        followed.server.kill()
    time.sleep(moment)
    followed.server.start()


def restart(followed, _moment):
    with followed.guard:
        followed.server.restart()


def end_our_connections(followed, moment):
    time.sleep(moment)
    followed.server.end_connections("replicator")


server_fault("kill of the source's server", 3, kill)
server_fault("restart of the source's server", 2, restart)
server_fault("KILL of our connections", 5, end_our_connections)
server_fault("FLUSH BINARY LOGS", 3, lambda followed, _moment: followed.server.run("FLUSH BINARY LOGS"))
