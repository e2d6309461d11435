"""Compares a SQLite file with its target tables, by rules of its own: none of pg_replicator's code is used.

What it expects is docs/user/types.md read once more, in Python. What holds for every kind of source is used by
mysql_compare.py, too."""
import base64
import hashlib
import json
import math
import re
import sqlite3
from decimal import Decimal

TAGS = {"$oid", "$date", "$binary", "$numberDecimal", "$numberDouble", "$timestamp", "$regularExpression", "$code",
        "$symbol", "$minKey", "$maxKey", "$undefined", "$dbPointer", "$literal", "$geometry"}
JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?\Z")


def binary(raw):
    return {"$binary": {"base64": base64.b64encode(raw).decode(), "subType": "00"}}


def as_json_double(value, shortest):
    """A double, of which `shortest` are the shortest digits that give it back."""
    if math.isinf(value):
        return {"$numberDouble": "Infinity" if value > 0 else "-Infinity"}
    if value == 0 and math.copysign(1, value) < 0:
        return {"$numberDouble": "-0.0"}
    text = format(Decimal(shortest), "f")
    return Decimal(text if "." in text else text + ".0")


def as_json_value(value):
    """A value of sqlite3 as parsed JSON; numbers as Decimal with their scale."""
    if isinstance(value, bytes):
        return binary(value)
    if isinstance(value, float):
        return as_json_double(value, repr(value))
    if isinstance(value, int):
        return Decimal(value)
    if isinstance(value, Text):
        try:
            text = value.raw.decode("utf-8")
            if "\x00" not in text:
                return text
        except UnicodeDecodeError:
            pass
        return binary(value.raw)
    return value


class Text:
    """A TEXT value as raw bytes, so that invalid UTF-8 can be told from a BLOB."""

    def __init__(self, raw):
        self.raw = raw


def compact(value):
    """Compact JSON in the order and notation of jsonb."""
    if isinstance(value, dict):
        keys = sorted(value, key=lambda k: (len(k.encode()), k.encode()))
        return "{" + ",".join(json.dumps(k, ensure_ascii=False) + ":" + compact(value[k]) for k in keys) + "}"
    if isinstance(value, list):
        return "[" + ",".join(compact(v) for v in value) + "]"
    if isinstance(value, Decimal):
        return format(value, "f")
    return json.dumps(value, ensure_ascii=False)


def id_of(key_values, rowid, strings_only):
    if any(v is None for v in key_values):
        return '{"rowid":%d}' % rowid
    return id_of_key([as_json_value(v) for v in key_values], strings_only)


def id_of_key(values, strings_only):
    """The id of a key's parsed values."""
    if len(values) == 1:
        value = values[0]
        if isinstance(value, str):
            quoted = value[:1] in ("{", "[", '"') or value.startswith("sha256:")
            if not strings_only:
                quoted = quoted or value in ("true", "false", "null") or bool(JSON_NUMBER.match(value)) or bool(
                    re.fullmatch("[0-9a-fA-F]{24}", value))
            text = compact(value) if quoted else value
        else:
            text = compact(value)
    else:
        text = compact(values)
    return limited_id(text)


def limited_id(text):
    raw = text.encode()
    return "sha256:" + hashlib.sha256(raw).hexdigest() if len(raw) > 1024 else text


def quote(name):
    return '"' + name.replace('"', '""') + '"'


def expected_rows(connection, table):
    """id → parsed data, of a table in an open SQLite connection."""
    info = connection.execute(f"PRAGMA table_xinfo({quote(table)})").fetchall()
    columns = [row[1] for row in info if row[6] != 1]
    key = [row[1] for row in sorted((r for r in info if r[5] > 0), key=lambda r: r[5])]
    listed = connection.execute("SELECT wr, strict FROM pragma_table_list WHERE schema = 'main' AND name = ?",
                                (table,)).fetchone()
    without_rowid, strict = bool(listed[0]), bool(listed[1])
    types = {row[1]: row[2].upper() for row in info}
    strings_only = strict and len(key) == 1 and types[key[0]] == "TEXT"
    lower = {c.lower() for c in columns}
    rowid = next((alias for alias in ("rowid", "_rowid_", "oid") if alias not in lower), None)
    selected = [quote(c) for c in columns]
    if not without_rowid and rowid is not None:
        selected.append(rowid)
    else:
        selected.append("NULL")
    connection.text_factory = lambda raw: Text(raw)
    rows = {}
    for row in connection.execute(f"SELECT {', '.join(selected)} FROM {quote(table)}"):
        values = dict(zip(columns, row))
        key_values = [values[c] for c in key] if key else [row[-1]]
        data = {c: as_json_value(v) for c, v in values.items()}
        if len(data) == 1 and next(iter(data)) in TAGS:
            data = {"$literal": data}
        rows[id_of(key_values, row[-1], strings_only)] = data
    connection.text_factory = str
    return rows


def target_rows(postgres, schema, table):
    """id → parsed data, of a target table."""
    with postgres.cursor() as cursor:
        cursor.execute(f"SELECT id, data::text FROM {quote(schema)}.{quote(table)}")
        rows = cursor.fetchall()
    result = {i: json.loads(d, parse_int=Decimal, parse_float=Decimal) for i, d in rows}
    assert len(result) == len(rows), f"{table}: an id is there twice"
    return result


def same(a, b):
    """Equal, with numbers equal in their scale too."""
    if isinstance(a, Decimal) and isinstance(b, Decimal):
        return a == b and a.as_tuple().exponent == b.as_tuple().exponent
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return type(a) is type(b) and a == b


def table_differences(table, expected, actual):
    """What differs, as texts."""
    return ([f"{table}: {i!r} is missing" for i in expected.keys() - actual.keys()] +
            [f"{table}: {i!r} is not at the source" for i in actual.keys() - expected.keys()] +
            [f"{table}: {i!r} {what_differs(expected[i], actual[i])}"
             for i in expected.keys() & actual.keys() if not same(expected[i], actual[i])])


def what_differs(expected, actual):
    """Column by column."""
    different = [key for key in expected.keys() | actual.keys()
                 if not (key in expected and key in actual and same(expected[key], actual[key]))]
    return "; ".join(f"has {key} = {actual.get(key, 'absent')!r}, not {expected.get(key, 'absent')!r}" for key in sorted(different))


def differences(sqlite_path, postgres, schema, tables=None):
    """What differs, as texts; at most ten. Tables: names, or all ordinary ones."""
    connection = sqlite3.connect(f"file:{sqlite_path}?mode=ro", uri=True)
    try:
        if tables is None:
            tables = [row[0] for row in connection.execute(
                "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' "
                "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")]
        found = []
        for table in tables:
            found += table_differences(table, expected_rows(connection, table), target_rows(postgres, schema, table))
        return found[:10]
    finally:
        connection.close()
