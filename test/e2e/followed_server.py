"""A server that another one replicates."""
from mysql_servers import MariaDbServer
from observing import forget_history


class FollowedByAnother:
    """Two servers of one kind: the second follows the first with GTIDs."""
    def __init__(self, kind, stack):
        settings = {"log-slave-updates": "ON", "gtid-domain-id": 0} if kind is MariaDbServer else {}
        self.first, self.second = kind(settings), kind(settings)
        stack.callback(self.first.destroy)
        stack.callback(self.second.destroy)
        self.first.create_user("follower", "pw", "REPLICATION SLAVE ON *.*")
        self.first.run("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY, v INT); INSERT INTO shop.t VALUES (1, 1), (2, 2)")
        self.second.run("DROP USER 'replicator'@'127.0.0.1', 'replicator'@'localhost'")
        forget_history(self.second)
        if kind is MariaDbServer:
            self.second.run(f"SET GLOBAL gtid_slave_pos = ''; CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {self.first.port}, "
                            "MASTER_USER = "
                            "'follower', MASTER_PASSWORD = 'pw', MASTER_USE_GTID = slave_pos; START SLAVE")
        else:
            self.second.run(f"CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = {self.first.port}, SOURCE_USER = "
                            "'follower', "
                            "SOURCE_PASSWORD = 'pw', SOURCE_AUTO_POSITION = 1, GET_SOURCE_PUBLIC_KEY = 1; START REPLICA")

    def second_has(self, count, table="t"):
        return self.second._client(f"SELECT count(*) FROM shop.{table}", check=False).stdout.decode().strip() == str(count)

    def hold_back(self):
        """The second shows no more of what the first does, until let_go_on()."""
        self.second.run("STOP SLAVE SQL_THREAD" if self.second.flavour == "MariaDB" else "STOP REPLICA SQL_THREAD")

    def let_go_on(self):
        self.second.run("START SLAVE SQL_THREAD" if self.second.flavour == "MariaDB" else "START REPLICA SQL_THREAD")

    def promote(self):
        self.second.run("STOP SLAVE; RESET SLAVE ALL" if self.second.flavour == "MariaDB" else "STOP REPLICA; RESET REPLICA ALL")
