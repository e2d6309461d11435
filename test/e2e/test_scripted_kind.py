"""A kind of source that nothing above src/source knows: copied from one state, then followed, by puts, table by table."""
import os
import pathlib
import shutil
import subprocess

import pytest

from observing import caught_up, verify
from private_cluster import PG_CONFIG, wait_until

BUILT = pathlib.Path(__file__).resolve().parents[2] / "build/test/pg_replicator_mongodb.so"
ROWS = "SELECT array_agg(id || '=' || (data->>'text') ORDER BY id::int) FROM {}"


@pytest.fixture(scope="module", autouse=True)
def adapter():
    directory = subprocess.run([PG_CONFIG, "--pkglibdir"], check=True, capture_output=True, text=True).stdout.strip()
    installed = pathlib.Path(directory) / BUILT.name
    if not os.access(directory, os.W_OK):
        pytest.skip("only who may install libraries can run this")
    if installed.exists() and b"the script has become shorter" not in installed.read_bytes():
        pytest.skip("there is a real adapter of this kind")
    shutil.copy(BUILT, installed)
    yield
    installed.unlink()


class Script:
    def __init__(self, path):
        self.path = path
        self.url = f"mongodb://user:secret@script.example/lines?lines={path}"
        path.touch()

    def add(self, *lines):
        with open(self.path, "a") as f:
            f.write("".join(line + "\n" for line in lines))


@pytest.fixture
def script(cluster, files):
    script = Script(files / "script")
    script.add("table a document", "table b transaction", "put a 1 one", "put a 2 two", "delete a 1", "put b 7 seven")
    yield script
    cluster.query_when_up("SELECT replicator_drop(name, drop_tables => true) FROM replicator_status")


def rows(cluster, table):
    return cluster.query(ROWS.format(f"lines.{table}"))[0][0]


def consistencies(cluster):
    return cluster.query('SELECT "table", consistency FROM replicator_tables ORDER BY 1')


def plans(cluster):
    return cluster.query("SELECT s.copy_plan, st.copy_plan FROM replicator.source s JOIN replicator.source_state st ON st.source_id = s.id")


def test_it_is_copied_from_one_state_and_followed_from_there(cluster, script):
    with cluster.waiting_at("targets_made", lambda: cluster.query("SELECT replicator_init(%s, name => 's')", (script.url,))):
        script.add("put a 3 three", "put a 2 zwei", "delete b 7", "put b 8 eight")
        assert cluster.query("SELECT mode FROM replicator.source") == [("continuous",)]
    caught_up(cluster)
    assert rows(cluster, "a") == ["2=zwei", "3=three"] and rows(cluster, "b") == ["8=eight"]
    script.add("put a 4 four", "delete a 2", "put b 8 acht")
    caught_up(cluster)
    assert rows(cluster, "a") == ["3=three", "4=four"] and rows(cluster, "b") == ["8=acht"]
    assert plans(cluster) == [("one_state_then_followed", "one_state_then_followed")]
    assert cluster.query("SELECT position FROM replicator.position") == [("line=13",)]


def test_each_table_shows_what_its_log_gives(cluster, script):
    cluster.query("SELECT replicator_init(%s, name => 's')", (script.url,))
    wait_until(lambda: consistencies(cluster) == [("a", "document"), ("b", "transaction")], what=lambda: consistencies(cluster))
    cluster.query("SELECT replicator_resync('s', 'a')")
    caught_up(cluster)
    assert consistencies(cluster) == [("a", "document"), ("b", "transaction")]
    assert {row["state"] for row in verify(cluster, "s").values()} == {"done"}


def test_a_table_of_later_is_found_in_the_log(cluster, script):
    cluster.query("SELECT replicator_init(%s, name => 's')", (script.url,))
    caught_up(cluster)
    script.add("table c document", "put c 1 first", "put c 2 second")
    caught_up(cluster)
    assert rows(cluster, "c") == ["1=first", "2=second"]
    assert ("c", "document") in consistencies(cluster)


@pytest.mark.parametrize("point", ["chunk_written", "chunk_committed", "before_stream_commit", "after_stream_commit"])
def test_a_crash_costs_no_row(cluster, script, point):
    cluster.fail_at(point)
    cluster.query("SELECT replicator_init(%s, name => 's')", (script.url,))
    script.add("put a 3 three", "delete a 2")
    cluster.wait_for_failure()
    cluster.query_when_up("CALL replicator_wait('s', '240 s')")
    assert rows(cluster, "a") == ["3=three"] and rows(cluster, "b") == ["7=seven"]


@pytest.mark.parametrize("mode", ["once", "periodic"])
def test_without_its_log_states_alone_are_told_apart(cluster, script, mode):
    interval = {"once": None, "periodic": "1 day"}[mode]
    cluster.query("SELECT replicator_init(%s, name => 's', mode => %s, refresh_interval => %s)", (script.url, mode, interval))
    caught_up(cluster)
    assert plans(cluster) == [("one_state", "one_state")]
    assert cluster.query("SELECT position FROM replicator.position") == [("state=6",)]
    assert {row["state"] for row in verify(cluster, "s").values()} == {"done"}
    script.add("put a 2 zwei")
    assert verify(cluster, "s")["a"]["unconfirmed"] == 1, "the target holds another state, and nobody knows which is later"
    cluster.query("SELECT replicator_sync('s')")
    caught_up(cluster)
    assert rows(cluster, "a") == ["2=zwei"]
    assert {row["unconfirmed"] for row in verify(cluster, "s").values()} == {0}
