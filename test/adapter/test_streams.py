"""Change streams: what was committed, in order, whole transactions, from any position on."""
import itertools

import pytest


def n(number):
    return {"n": str(number)}


numbers = itertools.count()


@pytest.fixture
def table(server):
    """A table of its own for each test."""
    name = f"t{next(numbers)}"
    server.run(f"CREATE TABLE {name} (a int PRIMARY KEY, b varchar(20))", "d")
    return name


def test_inserts_updates_and_deletes_come_in_order(server, adapter, table):
    stream = adapter.stream(table)
    server.run(f"INSERT INTO {table} VALUES (1, 'x'), (2, NULL); UPDATE {table} SET b = 'y' WHERE a = 1; DELETE FROM {table} WHERE a = 2", "d")
    assert stream.changes() == [
        ["insert", f"d.{table}", [n(1), "x"]], ["insert", f"d.{table}", [n(2), None]],
        ["update", f"d.{table}", [n(1), "x"], [n(1), "y"]], ["delete", f"d.{table}", [n(2), None]]]
