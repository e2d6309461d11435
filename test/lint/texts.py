#!/usr/bin/python3
"""Python and Markdown: lengths of lines, and what can be told without running them. Prints each violation; fails if
there is one."""
import ast
import pathlib
import re
import subprocess
import sys
import warnings

from pyflakes import checker

ROOT = pathlib.Path(__file__).resolve().parents[2]
PYTHON_COLUMNS = 140
MARKDOWN_COLUMNS = 120

problems = []


def report(path, line, what):
    problems.append(f"{path.relative_to(ROOT)}:{line}: {what}")


def check_lines(path, lines, columns):
    """`lines` are pairs of a number and a text."""
    for number, line in lines:
        if len(line) > columns:
            report(path, number, f"{len(line)} columns; the most is {columns}")
        if line != line.rstrip():
            report(path, number, "ends with a blank")
        if "\t" in line:
            report(path, number, "holds a tab")


def check_python(path):
    text = path.read_text()
    lines = text.split("\n")
    check_lines(path, enumerate(lines, 1), PYTHON_COLUMNS)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        tree = ast.parse(text)
        compile(tree, str(path), "exec")
    for warning in found:
        report(path, warning.lineno, str(warning.message))
    check_names(path, tree, lines)


def check_names(path, tree, lines):
    """Names that are unknown, unused or lost. A module that is imported for what it registers is marked F401."""
    for message in checker.Checker(tree, str(path)).messages:
        if "F401" not in lines[message.lineno - 1]:
            report(path, message.lineno, message.message % message.message_args)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("test_"):
            report(path, node.lineno, "imports from a test file: what tests share is in conftest.py, or in a file of its own")


def prose_of(text):
    """The numbered lines of a Markdown text that are neither code nor rows of tables."""
    in_code = False
    for number, line in enumerate(text.split("\n"), 1):
        if line.lstrip().startswith("```"):
            in_code = not in_code
        elif not in_code and not line.lstrip().startswith("|"):
            yield number, line


def check_markdown(path):
    text = path.read_text()
    check_lines(path, prose_of(text), MARKDOWN_COLUMNS)
    for link in re.finditer(r"\]\(([^)#\s]+)(#[^)]*)?\)", text):
        if "://" not in link[1] and not (path.parent / link[1]).exists():
            report(path, text.count("\n", 0, link.start()) + 1, f"links to {link[1]}, which does not exist")


def main():
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.py", "*.md"], cwd=ROOT, check=True,
                           capture_output=True, text=True).stdout.split("\n")
    paths = [ROOT / name for name in names if name and (ROOT / name).exists()]
    for path in paths:
        check_python(path) if path.suffix == ".py" else check_markdown(path)
    print("\n".join(problems) if problems else f"texts: ok, {len(paths)} files")
    sys.exit(1 if problems or not paths else 0)


if __name__ == "__main__":
    main()
