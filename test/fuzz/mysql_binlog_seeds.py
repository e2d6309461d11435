#!/usr/bin/env python3
"""mysql_binlog_seeds.py DIR: inputs to begin fuzzing with, of the recorded events: each alone, and rows behind their
TABLE_MAP. Without checksums, which would keep every changed input out."""
import gzip
import pathlib
import sys

CORPUS = pathlib.Path(__file__).resolve().parents[1] / "unit/mysql_corpus"
TABLE_MAP = 19
FORMAT_DESCRIPTION = 15
ROWS = {*range(23, 26), *range(30, 33), 39, *range(165, 172)}
MOST_BYTES = 4096


def events(path):
    content = gzip.open(path).read()
    at = 0
    while at < len(content):
        length = int.from_bytes(content[at + 9:at + 13], "little")
        event = bytearray(content[at:at + length])
        at += length
        if event[4] == FORMAT_DESCRIPTION:
            event[-5] = 0  # says that there are no checksums
        else:
            del event[-4:]
            event[9:13] = len(event).to_bytes(4, "little")
        yield bytes(event)


def main(directory):
    directory.mkdir(parents=True, exist_ok=True)
    for path in CORPUS.glob("*.events.gz"):
        table_map = b""
        for number, event in enumerate(events(path)):
            table_map = event if event[4] == TABLE_MAP else table_map
            seed = table_map + event if event[4] in ROWS else event
            if len(seed) <= MOST_BYTES:
                (directory / f"{path.name.split('.')[0]}_{number:04}").write_bytes(seed)


main(pathlib.Path(sys.argv[1]))
