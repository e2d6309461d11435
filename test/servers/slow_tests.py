"""Makes tests slow, to find those that count on their own speed: `PGREPL_SLOW_TESTS=1/4 pytest -p slow_tests …` sleeps before the
first run of each fourth line of each test; 2/4, 3/4 and 4/4 take the other lines."""
import os
import sys
import time
import zlib

import pytest

SECONDS = 2.5
PART, PARTS = (int(number) for number in os.environ["PGREPL_SLOW_TESTS"].split("/"))


class Tracer:
    """For sys.settrace: sleeps before those lines of test functions that are this part's."""

    def __init__(self):
        self.seen = set()

    def __call__(self, frame, event, _):
        if not os.path.basename(frame.f_code.co_filename).startswith("test_"):
            return None
        if event == "line" and frame.f_code.co_name not in ("<lambda>", "<listcomp>", "<genexpr>", "<dictcomp>", "<setcomp>"):
            line = (frame.f_code.co_filename, frame.f_lineno)
            if line not in self.seen:
                self.seen.add(line)
                if zlib.crc32(repr(line).encode()) % PARTS == PART - 1:
                    time.sleep(SECONDS)
        return self


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):  # noqa: ARG001 (the hook's signature)
    sys.settrace(Tracer())
    try:
        yield
    finally:
        sys.settrace(None)
