"""Logs that the server keeps encrypted: it sends them in the clear."""
import os
import pathlib
import secrets
import shutil
import subprocess
import tempfile

import pytest

from conftest import Adapter
from mysql_servers import MARIADB_DIRECTORY, MariaDbServer, MySqlServer, UnavailableServer


def readable(directory):
    subprocess.run(["chmod", "-R", "a+rwX", directory], check=True)


def mariadb(directory):
    """Its plugin for keys in a file is in a package that would start a server of its own: it is unpacked only."""
    if MARIADB_DIRECTORY:
        raise UnavailableServer("the distribution's plugins do not fit another MariaDB")
    subprocess.run(["apt-get", "download", "-qq", "mariadb-server"], cwd=directory, check=True, capture_output=True)
    package, = directory.glob("mariadb-server_*.deb")
    subprocess.run(["dpkg", "-x", str(package), str(directory / "unpacked")], check=True)
    (directory / "keys").write_text(f"1;{secrets.token_hex(16)}\n")
    readable(directory)
    return MariaDbServer({"plugin-dir": directory / "unpacked/usr/lib/mysql/plugin", "plugin-load-add": "file_key_management",
                          "file-key-management-filename": directory / "keys", "encrypt-binlog": "ON"})


class MySqlWithKeys(MySqlServer):
    """The component for keys is named in a file beside the server's program, and has its settings beside itself."""

    def __init__(self, directory):
        self.directory_of_keys = directory
        super().__init__({"binlog-encryption": "ON"})

    def server_command(self):
        directory, usr = self.directory_of_keys, self.root / "root/usr"
        if not (directory / "mysqld").exists():
            (directory / "mysqld").symlink_to(usr / "sbin/mysqld")
            (directory / "mysqld.my").write_text('{"components": "file://component_keyring_file"}')
            shutil.copy(usr / "lib/mysql/plugin/component_keyring_file.so", directory)
            (directory / "component_keyring_file.cnf").write_text(f'{{"path": "{directory}/keys", "read_only": false}}')
            readable(directory)
            os.chmod(directory / "mysqld.my", 0o644)
            os.chmod(directory / "component_keyring_file.cnf", 0o644)
        loader = [self.root / "root/usr/lib64/ld-linux-x86-64.so.2", "--library-path", usr / "lib/x86_64-linux-gnu"]
        options = [option for option in super().server_command()[1:] if not option.startswith("--plugin-dir")]
        return [*map(str, loader), str(directory / "mysqld"), *options, f"--plugin-dir={directory}"]


@pytest.fixture(params=[mariadb, MySqlWithKeys], ids=["mariadb", "mysql"])
def encrypting(request):
    directory = pathlib.Path(tempfile.mkdtemp(prefix="pgreplkeys"))  # pytest's own are closed to the server's user
    os.chmod(directory, 0o755)
    try:
        server = request.param(directory)
    except (UnavailableServer, subprocess.CalledProcessError) as reason:
        pytest.skip(f"no server that encrypts its log: {reason}")
    yield server
    server.destroy()
    shutil.rmtree(directory, ignore_errors=True)


def test_an_encrypted_log_is_followed(encrypting):
    encrypting.run("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, v TEXT)")
    stream = Adapter(encrypting).stream("t")
    encrypting.run("INSERT INTO t VALUES (1, 'a secret of ours'); FLUSH BINARY LOGS; UPDATE t SET v = 'another'; DELETE FROM t", "d")
    row = lambda text: [{"n": "1"}, text]  # noqa: E731
    assert stream.changes() == [["insert", "d.t", row("a secret of ours")], ["update", "d.t", row("a secret of ours"), row("another")],
                                ["delete", "d.t", row("another")]]
    logs = list(pathlib.Path(encrypting.data).glob("binlog.0*"))
    assert logs and not any(b"a secret of ours" in log.read_bytes() for log in logs), "the log is not encrypted"
