"""Compares databases of a MySQL or MariaDB server with their target tables, by rules of its own: none of
pg_replicator's code is used.

What it expects is docs/user/types.md read once more, in Python. The columns' declared types, by information_schema, say
how a value is asked for, so that it comes exactly as it is stored; the server itself transcodes texts to UTF-8."""
import base64
import collections
import json
import re
import struct
from decimal import Decimal

import pymysql
import pymysql.cursors

from compare import TAGS, as_json_double, binary, id_of_key, limited_id, table_differences, target_rows

INTEGERS = {"tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "bit", "year"}
TEXTS = {"char", "varchar", "tinytext", "text", "mediumtext", "longtext"}
BYTES = {"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "vector"}
GEOMETRIES = {"geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
              "geometrycollection", "geomcollection"}
AS_PRINTED = {"date", "uuid", "inet4", "inet6", "enum"}

Column = collections.namedtuple("Column", "name expressions value")


def quote(name):
    return "`" + name.replace("`", "``") + "`"


def connect(server, database=None, **options):
    """As root, through the server's socket."""
    return pymysql.connect(unix_socket=server.socket, user="root", password="", database=database, charset="utf8mb4",
                           init_command="SET time_zone = '+00:00', sql_mode = ''", **options)


def rows_of(connection, sql, parameters=()):
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall()


def shortest_digits(single):
    """Of a 32-bit number: the fewest digits that give it back."""
    return next(text for text in (f"{single:.{digits}g}" for digits in range(1, 18))
                if struct.pack("f", float(text)) == struct.pack("f", single))


def float_value(text):
    number = float(text)
    return as_json_double(number, repr(number) if number in (float("inf"), 0.0) else shortest_digits(number))


def json_number(text):
    """A number as jsonb_in reads it: exact, its exponent written out."""
    return Decimal(format(Decimal(text), "f"))


def json_value(value):
    """A parsed document as types.md stores it."""
    if isinstance(value, dict):
        members = {key: json_value(inner) for key, inner in value.items()}
        return {"$literal": members} if len(members) == 1 and next(iter(members)) in TAGS else members
    if isinstance(value, list):
        return [json_value(inner) for inner in value]
    if isinstance(value, str) and "\x00" in value:
        return binary(value.encode())
    return value


def document(raw):
    return json_value(json.loads(raw.decode(), parse_int=json_number, parse_float=json_number))


def labels_of(column_type):
    return [label.replace("''", "'") for label in re.findall(r"'((?:[^']|'')*)'", column_type)]


def set_value(labels):
    def value(bits):
        return [label for i, label in enumerate(labels) if int(bits) >> i & 1]
    return value


def text_value(utf8, raw):
    """`raw`: the bytes in the column's charset, if the text has U+0000."""
    return utf8.decode() if raw is None else binary(raw)


def geometry(raw):
    return {"$geometry": {"srid": Decimal(struct.unpack("<I", raw[:4])[0]), "wkb": base64.b64encode(raw[4:]).decode()}}


def describe(name, data_type, column_type, is_json):
    """How a column is asked for, and what its values are."""
    column = quote(name)
    if is_json or data_type == "json":
        return Column(name, [f"CAST({column} AS CHAR CHARACTER SET utf8mb4)"], document)
    if data_type in INTEGERS:
        plain = f"{column} + 0" if data_type == "bit" else column
        return Column(name, [plain], lambda raw: Decimal(raw.decode()))
    if data_type in ("float", "double"):
        return Column(name, [f"CAST({column} AS DOUBLE)"],
                      float_value if data_type == "float" else lambda raw: as_json_double(float(raw), repr(float(raw))))
    if data_type in ("datetime", "timestamp"):
        zone = "Z" if data_type == "timestamp" else ""
        return Column(name, [column], lambda raw: raw.decode().replace(" ", "T") + zone)
    if data_type == "time" or data_type in AS_PRINTED:
        return Column(name, [column], lambda raw: raw.decode())
    if data_type == "set":
        return Column(name, [f"CAST({column} + 0 AS UNSIGNED)"], set_value(labels_of(column_type)))
    if data_type in TEXTS:
        zero = f"INSTR(CAST(CONVERT({column} USING utf8mb4) AS BINARY), x'00')"
        return Column(name, [column, f"IF({zero}, CAST({column} AS BINARY), NULL)"], text_value)
    if data_type in BYTES:
        return Column(name, [column], binary)
    assert data_type in GEOMETRIES, f"{name} is of type {data_type}"
    return Column(name, [f"CAST({column} AS BINARY)"], geometry)


def json_columns(connection, database, table):
    """MariaDB's JSON is a LONGTEXT with a check of the column."""
    if not connection.get_server_info().lower().count("mariadb"):
        return set()
    checks = rows_of(connection, "SELECT check_clause FROM information_schema.check_constraints WHERE "
                     "constraint_schema = %s AND table_name = %s AND level = 'Column'", (database, table))
    # By the clause: a constraint keeps its name when its column gets another.
    found = [re.fullmatch(r"json_valid\(`(.*)`\)", clause, re.IGNORECASE) for (clause,) in checks]
    return {clause.group(1).replace("``", "`") for clause in found if clause}


def key_of(connection, database, table):
    """Names of the columns of the primary key, else of the first unique key without NULL; none: an empty list."""
    keys = collections.defaultdict(list)
    for name, column, nullable, part in rows_of(
            connection, "SELECT index_name, column_name, nullable, sub_part FROM information_schema.statistics WHERE "
            "table_schema = %s AND table_name = %s AND non_unique = 0 ORDER BY index_name <> 'PRIMARY', index_name, "
            "seq_in_index", (database, table)):
        keys[name].append((column, nullable == "YES" or part is not None or column is None))
    return next(([column for column, _ in key] for key in keys.values() if not any(unusable for _, unusable in key)), [])


def lacks_stored_columns(version):
    """Whether the log of the server lacks generated columns, even stored ones: they are left out then."""
    return "MariaDB" in version and int(version.split(".")[0]) >= 11


def columns_of(connection, database, table):
    described = rows_of(connection, "SELECT column_name, data_type, column_type, CASE WHEN generation_expression IN "
                        "('ROW START', 'ROW END') THEN '' ELSE extra END FROM information_schema.columns "
                        "WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position", (database, table))
    checked = json_columns(connection, database, table)
    left_out = "GENERATED" if lacks_stored_columns(rows_of(connection, "SELECT VERSION()")[0][0]) else "VIRTUAL GENERATED"
    return {name: (describe(name, data_type.lower(), column_type, name in checked), data_type.lower())
            for name, data_type, column_type, extra in described if left_out not in extra.upper()}


def id_of(values, types):
    if len(values) == 1 and types[0] in BYTES:
        return limited_id("\\x" + base64.b64decode(values[0]["$binary"]["base64"]).hex())
    return id_of_key(values, strings_only=True)


def expected_rows(names, values, database, table):
    """id → parsed data of a table; None if it has no key. `values`: a connection that converts nothing."""
    key = key_of(names, database, table)
    if not key:
        return None
    columns = columns_of(names, database, table)
    expressions = [expression for column, _ in columns.values() for expression in column.expressions]
    rows = {}
    with pymysql.cursors.SSCursor(values) as cursor:
        cursor.execute(f"SELECT {', '.join(expressions)} FROM {quote(database)}.{quote(table)}")
        for row in cursor:
            data, at = {}, 0
            for column, _ in columns.values():
                raw = row[at:at + len(column.expressions)]
                data[column.name] = None if raw[0] is None else column.value(*raw)
                at += len(raw)
            i = id_of([data[name] for name in key], [columns[name][1] for name in key])
            rows[i] = {"$literal": data} if len(data) == 1 and next(iter(data)) in TAGS else data
    return rows


def tables_of(connection, database):
    return [row[0] for row in rows_of(connection, "SELECT table_name FROM information_schema.tables WHERE table_schema "
                                      "= %s AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')", (database,))]


def differences(server, postgres, schemas, tables=None):
    """What differs, as texts; at most ten. `schemas`: database → target schema. Tables: names, or all with a key."""
    names = connect(server)
    values = connect(server, conv={}, use_unicode=False)
    try:
        found = []
        for database, schema in schemas.items():
            for table in tables or tables_of(names, database):
                expected = expected_rows(names, values, database, table)
                if expected is None:
                    continue
                try:
                    actual = target_rows(postgres, schema, table)
                except Exception as error:  # the target is not there
                    postgres.rollback()
                    found.append(f"{database}.{table}: {error}")
                    continue
                found += table_differences(f"{database}.{table}", expected, actual)
        return found[:10]
    finally:
        names.close()
        values.close()
