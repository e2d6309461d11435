#!/usr/bin/python3
"""Runs the suites and adds up what they did. `test/run.py unit,e2e` runs some of them.

The last line is `N passed, N failed` (`, N skipped`); the exit code is not 0 if anything failed or a suite ran nothing."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "test/servers"))

from private_cluster import BINDIR, PrivateCluster  # noqa: E402


def run(command, **options):
    return subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, **options)


SLOWEST = 20
durations = []  # seconds and names of all tests that a JUnit file told of


def junit_counts(path):
    """Passed, failed, skipped of a JUnit file; prints the reason of each skip."""
    passed = failed = skipped = 0
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        durations.append((float(case.get("time") or 0), f"{case.get('classname')}.{case.get('name')}"))
        skip = case.find("skipped")
        if skip is not None or case.get("status") == "notrun":
            skipped += 1
            print(f"skipped: {case.get('name')}: {skip.get('message') if skip is not None else 'not run'}")
        elif case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        else:
            passed += 1
    return passed, failed, skipped


def lint():
    """Layers and symbols: rules that hold for every build."""
    scripts = ("layers.sh", "table_life.sh", "names.sh", "texts.py", "symbols.sh")
    results = [run([str(ROOT / "test/lint" / script)]).returncode == 0 for script in scripts]
    return sum(results), len(results) - sum(results), 0


def unit():
    with tempfile.TemporaryDirectory() as directory:
        report = os.path.join(directory, "report.xml")
        run([str(ROOT / "build/unit_tests"), f"--gtest_output=xml:{report}", "--gtest_brief=1"])
        return junit_counts(report) if os.path.exists(report) else (0, 1, 0)


def tap_counts(text):
    """Passed, failed, skipped of a TAP stream, plan included; prints the reason of each skip."""
    passed = failed = skipped = 0
    for outcome, rest in re.findall(r"^(ok|not ok)\b(.*)", text, re.M):
        skip = re.search(r"# skip\b(.*)", rest, re.I)
        if skip:
            skipped += 1
            print(f"skipped: {skip.group(1).strip()}")
        elif outcome == "ok" or re.search(r"# todo\b", rest, re.I):
            passed += 1
        else:
            failed += 1
    plan = re.search(r"^1\.\.(\d+)", text, re.M)
    ran = passed + failed + skipped
    return passed, failed + (abs(int(plan.group(1)) - ran) if plan else 1), skipped


def psql(cluster, database, *arguments):
    return run([f"{BINDIR}/psql", "-X", "-q", "-h", cluster.directory, "-p", str(cluster.port), "-U", "postgres",
                "-d", database, *arguments], capture_output=True, text=True)


def tap_files(pattern, library=None):
    total = [0, 0, 0]
    cluster = PrivateCluster()
    try:
        if library:  # the server's user may not be able to read our checkout
            shutil.copy(library, cluster.directory)
        for path in sorted(ROOT.glob(pattern)):
            database = re.sub(r"\W", "_", path.stem)
            psql(cluster, "postgres", "-c", f"CREATE DATABASE {database}")
            result = psql(cluster, database, "-At", "-v", "ON_ERROR_STOP=1", "-v", f"module={cluster.directory}/pg_replicator_test",
                          "-v", f"directory={cluster.directory}", "-f", str(path))
            passed, failed, skipped = tap_counts(result.stdout)
            if failed or result.returncode:
                failed = max(failed, 1)
                print("\n".join(line for line in result.stdout.splitlines() if not line.startswith("ok ")))
                print(result.stderr)
            print(f"{path.name}: {passed} passed, {failed} failed")
            total[0] += passed
            total[1] += failed
            total[2] += skipped
        cluster.check_log()
    finally:
        cluster.destroy(check=False)
    return tuple(total)


def module():
    """Encoder and error bridges inside a backend, through a module of their own."""
    return tap_files("test/pg/*.sql", ROOT / "build/pg_replicator_test.so")


def pgtap():
    return tap_files("test/pgtap/*.sql")


def regress():
    cluster = PrivateCluster()
    try:
        files = os.path.join(cluster.directory, "files")
        os.mkdir(files)
        os.chmod(files, 0o777)
        names = sorted(path.stem for path in (ROOT / "sql").glob("*.sql"))
        tests = ["setup"] + [name for name in names if name != "setup"]
        regress_program = next(pathlib.Path(subprocess.run(
            [os.environ.get("PG_CONFIG", "pg_config"), "--pgxs"], capture_output=True, text=True).stdout.strip()
        ).parents[1].glob("test/regress/pg_regress"))
        output = os.path.join(cluster.directory, "regress")
        os.makedirs(output, exist_ok=True)
        result = run([str(regress_program), f"--inputdir={ROOT}", f"--outputdir={output}", f"--bindir={BINDIR}",
                      f"--host={cluster.directory}", f"--port={cluster.port}", "--user=postgres",
                      "--dbname=contrib_regression", *tests],
                     capture_output=True, text=True, env={**os.environ, "PGREPL_FILES": files})
        passed = len(re.findall(r"^(?:test \S+ +\.\.\. ok|ok \d+)", result.stdout, re.M))
        failed = len(tests) - passed
        if failed:
            print(result.stdout, result.stderr)
            diffs = os.path.join(output, "regression.diffs")
            print(open(diffs).read() if os.path.exists(diffs) else "")
        if os.environ.get("ACCEPT"):  # ACCEPT=1: what came out becomes what is expected; read the diff before you commit
            for name in tests:
                shutil.copy(os.path.join(output, "results", name + ".out"), ROOT / "expected")
        cluster.check_log()
        return passed, failed, 0
    finally:
        cluster.destroy(check=False)


# Those that take longest, first: none of them is to be left alone at the end.
LONG_FILES = ("test_mysql_convergence.py", "test_mysql_under_writes.py", "test_mysql_many_tables.py", "test_mysql_failures.py",
              "test_mysql_keys.py", "test_mysql_stream.py", "test_mysql_lag.py", "test_copy.py", "test_chunks.py", "test_verify.py",
              "test_operations.py", "test_mysql_once.py", "test_values.py", "test_refresh.py")
PYTHON_SUITES = {"adapter": "test/adapter", "e2e": "test/e2e"}
SIDE_BY_SIDE = 6  # they wait for servers more than they work


def started_pytest(path, directory):
    report, output = (os.path.join(directory, f"{path.parent.name}.{path.stem}.{kind}") for kind in ("xml", "out"))
    command = ["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", str(path)]
    with open(output, "w") as out:
        process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    return path, report, output, process, time.monotonic()


def pytest_suites(names):
    """Counts of each suite. Each file is a process of its own, the files of all suites side by side."""
    waiting = [path for name in names for path in sorted((ROOT / PYTHON_SUITES[name]).glob("test_*.py"))]
    waiting.sort(key=lambda path: LONG_FILES.index(path.name) if path.name in LONG_FILES else len(LONG_FILES))
    total = {name: (0, 0, 0) for name in names}
    running = []
    with tempfile.TemporaryDirectory() as directory:
        while waiting or running:
            while waiting and len(running) < SIDE_BY_SIDE:
                running.append(started_pytest(waiting.pop(0), directory))
            ended = [entry for entry in running if entry[3].poll() is not None]
            if not ended:
                time.sleep(0.1)
                continue
            for entry in ended:
                running.remove(entry)
                path, report, output, process, began = entry
                with open(output, errors="replace") as out:
                    print(f"--- {path.relative_to(ROOT)}, {time.monotonic() - began:.0f} s\n{out.read()}", flush=True)
                counts = junit_counts(report) if os.path.exists(report) else (0, 1, 0)
                if process.returncode not in (0, 1) and counts[1] == 0:  # 1: tests failed, which are counted
                    counts = (counts[0], counts[1] + 1, counts[2])
                name = next(name for name in names if path.parent == ROOT / PYTHON_SUITES[name])
                total[name] = tuple(x + y for x, y in zip(total[name], counts))
    return total


def chaos():
    """A few faults at random under load; `make chaos` runs many."""
    sys.path.insert(0, str(ROOT / "test/chaos"))
    import chaos as harness
    return harness.run(25, harness.seed_of_this_run(), block=25)


SUITES = {"lint": lint, "unit": unit, "module": module, "regress": regress, "pgtap": pgtap, "chaos": chaos}


def counts_of(names):
    """Counts of each of the suites, which run together."""
    try:
        return pytest_suites(names) if names[0] in PYTHON_SUITES else {names[0]: SUITES[names[0]]()}
    except Exception:  # the other suites are still worth running
        traceback.print_exc()
        return {name: (0, 1, 0) for name in names}


def main():
    known = [*SUITES, *PYTHON_SUITES]
    wanted = sys.argv[1].split(",") if len(sys.argv) > 1 and sys.argv[1] else known
    unknown = [name for name in wanted if name not in known]
    if unknown:
        sys.exit(f"unknown suite {unknown[0]}; there are: {', '.join(known)}")
    in_python = [name for name in wanted if name in PYTHON_SUITES]
    total, empty, lines = [0, 0, 0], [], []
    for names in [[name] for name in wanted if name in SUITES] + ([in_python] if in_python else []):
        print(f"=== {', '.join(names)}", flush=True)
        began = time.monotonic()
        for name, counts in counts_of(names).items():
            if sum(counts[:2]) == 0:
                empty.append(name)
            total = [a + b for a, b in zip(total, counts)]
            lines.append(f"{name}: {counts[0]} passed, {counts[1]} failed, {counts[2]} skipped")
            print(lines[-1], flush=True)
        print(f"{time.monotonic() - began:.0f} s", flush=True)
    print(f"=== the {SLOWEST} slowest tests")
    for seconds, name in sorted(durations, reverse=True)[:SLOWEST]:
        print(f"{seconds:6.1f} s  {name}")
    print("=== summary")
    print("\n".join(lines))
    for name in empty:
        print(f"{name} ran nothing, which counts as a failure")
        total[1] += 1
    print(f"{total[0]} passed, {total[1]} failed" + (f", {total[2]} skipped" if total[2] else ""))
    sys.exit(1 if total[1] else 0)


if __name__ == "__main__":
    main()
