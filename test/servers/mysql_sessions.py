"""Sessions of a MySQL or MariaDB server that hold what they have locked, beside the test."""
import threading

from private_cluster import wait_until


class Session:
    """Runs statements in a session of its own, the last of which holds what they have locked until end() or for 240 s."""
    def __init__(self, server, database, sql, locked=None):
        self.server = server
        self.database = database
        self.thread = threading.Thread(target=lambda: server._client(sql, database, check=False))
        self.thread.start()
        wait_until(locked or self.sleeps, 45, "the lock")

    def processes(self, condition):
        return [row[0] for row in self.server.query("SELECT id FROM information_schema.processlist WHERE user = 'root' AND "
                                                    f"db = '{self.database}' AND id <> connection_id() AND {condition}")]

    def sleeps(self):
        return len(self.processes("state = 'User sleep'")) == 1

    def end(self):
        for number in self.processes("command <> 'Sleep'"):
            self.server._client(f"KILL {number}", check=False)
        self.thread.join()
