"""Random values for columns of every type, as SQL literals, by what information_schema says of the column."""
import dataclasses

ALPHABETS = {"utf8mb4": "aZ é漢\U0001f600\"'\\%", "utf8mb3": "aé漢", "latin1": "aé€ß", "cp1251": "aПр", "sjis": "a日本",
             "ucs2": "aé漢", "utf16": "a漢\U0001f600", "gbk": "a中文"}
DOCUMENTS = ('{"a": [1, 2.5, null, true], "b": {"c": "é漢"}}', "[]", "{}", "12", '"text"', "null", '{"$oid": "x"}',
             "[1e100, -7, 18446744073709551615]",
             '{"k": {"$date": 5, "z": 0.10}}')
DATES = ("2024-02-29", "0000-00-00", "2024-00-15", "9999-12-31", "1000-01-01")
STAMPS = ("1970-01-01 00:00:01", "2038-01-19 03:14:07", "2024-10-27 02:30:00.654321", "0000-00-00 00:00:00")
TIMES = ("-838:59:59", "838:59:59", "00:00:00", "-00:00:00.5", "12:34:56.789012", "100:00:00.000001")
INTEGER_BITS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}


@dataclasses.dataclass(frozen=True)
class Column:
    name: str
    data_type: str
    column_type: str
    charset: str
    length: int
    nullable: bool
    generated: bool
    is_json: bool = False


def text(value):
    return f"_utf8mb4 x'{value.encode().hex()}'"


def integer(rng, column):
    bits = INTEGER_BITS[column.data_type]
    low, high = (0, 2 ** bits - 1) if "unsigned" in column.column_type else (-2 ** (bits - 1), 2 ** (bits - 1) - 1)
    return str(rng.choice((low, high, 0, 1, rng.randint(low, high))))


def real(rng, column):
    return rng.choice(("0", "5", "-0.25", "1e10", "0.1", "16777217", "1.17549435e-38", repr(rng.uniform(-1e6, 1e6)),
                       "1e300" if column.data_type == "double" else "3.4e38"))


def string(rng, column):
    alphabet = ALPHABETS.get(column.charset, "abcXYZ 012")
    # Long ones too: what is stored off the page, and lengths of two bytes.
    length = rng.choice((0, 1, rng.randint(0, 12), rng.randint(0, 40), 300, 3000 if rng.random() < 0.05 else 2))
    characters = "".join(rng.choice(alphabet) for _ in range(min(length, column.length or 1)))
    if rng.random() < 0.02 and column.data_type != "char":
        characters = (characters + "\x00")[-max(column.length, 1):]
    return text(characters)


def octets(rng, column):
    length = min(rng.choice((0, 1, 4, rng.randint(0, 30), 300)), column.length or 1)
    return f"x'{rng.randbytes(length).hex()}{'00' if 0 < length < column.length and rng.random() < 0.3 else ''}'"


def labels(column):
    inner = column.column_type[column.column_type.index("(") + 2:-2]
    return inner.split("','")


def geometry(rng, column):
    shape = f"POINT({rng.randint(-9, 9)} {rng.randint(-9, 9)})"
    if column.data_type != "point":
        shape = rng.choice((shape, "LINESTRING(0 0,1 1,2 5)", "POLYGON((0 0,0 1,1 1,0 0))"))
    return f"ST_GeomFromText('{shape}')"


def choice_of(values):
    return lambda rng, column: f"'{rng.choice(values)}'"


DRAWS = {
    **{name: integer for name in INTEGER_BITS},
    "float": real, "double": real,
    "decimal": lambda rng, column: rng.choice(("0", "1.5", "-0.01", "99999.999", "-7", str(rng.randint(-10 ** 5, 10 ** 5) / 100))),
    "bit": lambda rng, column: rng.choice(("0", "1", str(rng.getrandbits(7)))),
    "year": lambda rng, column: rng.choice(("0", "1901", "2155", "2024")),
    "date": choice_of(DATES), "datetime": choice_of(DATES + STAMPS), "timestamp": choice_of(STAMPS), "time": choice_of(TIMES),
    "enum": lambda rng, column: f"'{rng.choice(labels(column) + [''])}'",
    "set": lambda rng, column: "'" + ",".join(label for label in labels(column) if rng.random() < 0.5) + "'",
    "json": lambda rng, column: text(rng.choice(DOCUMENTS)),
    "geometry": geometry, "point": geometry,
    "uuid": lambda rng, column: f"'123e4567-e89b-12d3-a456-{rng.getrandbits(48):012x}'",
    "inet6": choice_of(("2001:db8::ff00:42:8329", "::1", "::ffff:192.0.2.1")), "inet4": choice_of(("192.0.2.1", "0.0.0.0")),
    **{name: string for name in ("char", "varchar", "tinytext", "text", "mediumtext", "longtext")},
    **{name: octets for name in ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob")},
}


def draw(rng, column):
    if column.nullable and rng.random() < 0.1:
        return "NULL"
    return DRAWS["json" if column.is_json else column.data_type](rng, column)


def key_literal(column, number):
    """The key value that belongs to a whole number. Of texts some differ from each other in case only."""
    if column.data_type in INTEGER_BITS or column.data_type == "decimal":
        return str(number)
    if column.data_type in ("binary", "varbinary"):
        return f"x'{number:08x}'"
    if column.data_type in ("date", "datetime"):
        return f"DATE '2000-01-01' + INTERVAL {number} DAY"
    return text(f"{'kK'[number % 2]} {number // 2}" if column.data_type in ("char", "varchar") else str(number))
