"""A server that keeps names in lower case (lower_case_table_names = 1): names are compared as it compares them."""
import pytest

from conftest import Adapter
from mysql_servers import MariaDbServer, MySqlServer, UnavailableServer
from expected import n


@pytest.fixture(scope="module", params=[MariaDbServer, MySqlServer], ids=["mariadb", "mysql"])
def lower(request):
    try:
        instance = request.param({"lower-case-table-names": 1})
    except UnavailableServer as reason:
        pytest.skip(str(reason))
    instance.run("CREATE DATABASE d; CREATE DATABASE other")
    yield instance
    instance.destroy()


def test_every_letter_is_compared_as_the_server_does(lower):
    """Tables are given names of all letters that change, and of as many others; the server says what it made of them."""
    letters = [chr(c) for c in range(0x80, 0x10000) if not 0xD800 <= c < 0xF900 and (chr(c).lower() != chr(c) or chr(c).upper() != chr(c))]
    names = ["".join(letters[i:i + 30]) for i in range(0, len(letters), 30)]
    lower.run("".join(f"CREATE TABLE `{i} {name}` (a int);" for i, name in enumerate(names)), "other")
    made = dict(row[0].split(" ", 1) for row in lower.query("SELECT table_name FROM information_schema.tables WHERE table_schema = "
                                                            "'other'"))
    stream = Adapter(lower).stream()
    assert {str(i): stream.ask(f"comparable {name}") for i, name in enumerate(names)} == made
    assert stream.ask("comparable ABC xyz") == "abc xyz"


def test_the_urls_database_and_statements_are_found_in_any_case(lower):
    lower.run("CREATE TABLE ärger (a int PRIMARY KEY, v int); CREATE TABLE t (a int PRIMARY KEY)", "d")
    adapter = Adapter(lower)
    assert set(adapter.tables("D")) == {"ärger", "t"}
    stream = adapter.stream("ÄRGER", "T", url=lower.url("D"))
    lower.run("ALTER TABLE `ÄRGER` ADD COLUMN w int DEFAULT 5; TRUNCATE TABLE D.`ÄRGER`; INSERT INTO T VALUES (1); CREATE TABLE Neu (a "
              "int); "
              "RENAME TABLE d.Neu TO OTHER.Neu", "d")
    batches = stream.read_all()
    told = [(kind, name.lower(), new.lower()) for batch in batches for kind, name, new, _ in batch["schema"]]
    assert told == [("altered", "d.ärger", ""), ("truncated", "d.ärger", ""), ("created", "d.neu", ""), ("renamed", "d.neu", "other.neu")]
    assert [change[2] for batch in batches for change in batch["changes"]] == [[n(1)]]
    assert stream.ask("table other neu") == "none", "it is in a database that the URL does not name"
    assert stream.ask("table D T") == "followed"


def test_a_database_that_the_server_does_not_have_is_named(lower):
    error = Adapter(lower).tables("Nowhere")
    assert "Nowhere" in error["text"]
