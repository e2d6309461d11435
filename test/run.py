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


def junit_counts(path):
    """Passed, failed, skipped of a JUnit file; prints the reason of each skip."""
    passed = failed = skipped = 0
    for case in ElementTree.parse(path).getroot().iter("testcase"):
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
    results = [run([str(ROOT / "test/lint" / script)]).returncode == 0 for script in ("layers.sh", "symbols.sh")]
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


def pytest_suite(folder, groups=("test_*.py",)):
    """The files of a folder; each group, a pattern, side by side with the others. A file belongs to the first that fits."""
    left = sorted((ROOT / folder).glob("test_*.py"))
    with tempfile.TemporaryDirectory() as directory:
        started = []
        for number, pattern in enumerate(groups):
            files = [path for path in left if path.match(pattern)]
            left = [path for path in left if path not in files]
            report, output = (os.path.join(directory, f"{number}.{kind}") for kind in ("xml", "out"))
            command = ["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
            with open(output, "w") as out:
                started.append((report, output, subprocess.Popen(command + [str(path) for path in files], cwd=ROOT, stdout=out,
                                                                 stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)))
        assert not left, f"files that no group runs: {left}"
        total = [0, 0, 0]
        for report, output, process in started:
            process.wait()
            with open(output, errors="replace") as out:
                print(out.read(), flush=True)
            counts = junit_counts(report) if os.path.exists(report) else (0, 1, 0)
            total = [x + y for x, y in zip(total, counts)]
        return tuple(total)


def e2e():
    """Five at a time: they wait for servers more than they work."""
    return pytest_suite("test/e2e", ("test_mysql_c*.py", "test_mysql_[bklo]*.py", "test_mysql_*.py", "test_[a-l]*.py", "test_*.py"))


def adapter():
    """The MySQL adapter alone, against real servers of both kinds."""
    return pytest_suite("test/adapter")


def chaos():
    """A few faults at random under load; `make chaos` runs many."""
    sys.path.insert(0, str(ROOT / "test/chaos"))
    import chaos as harness
    return harness.run(25, harness.seed_of_this_run(), block=25)


SUITES = {"lint": lint, "unit": unit, "module": module, "regress": regress, "pgtap": pgtap,
          "adapter": adapter, "e2e": e2e, "chaos": chaos}


def main():
    wanted = sys.argv[1].split(",") if len(sys.argv) > 1 and sys.argv[1] else list(SUITES)
    unknown = [name for name in wanted if name not in SUITES]
    if unknown:
        sys.exit(f"unknown suite {unknown[0]}; there are: {', '.join(SUITES)}")
    total, empty, lines = [0, 0, 0], [], []
    for name in wanted:
        print(f"=== {name}", flush=True)
        began = time.monotonic()
        try:
            counts = SUITES[name]()
        except Exception:  # the other suites are still worth running
            traceback.print_exc()
            counts = (0, 1, 0)
        if sum(counts[:2]) == 0:
            empty.append(name)
        total = [a + b for a, b in zip(total, counts)]
        lines.append(f"{name}: {counts[0]} passed, {counts[1]} failed, {counts[2]} skipped, "
                     f"{time.monotonic() - began:.0f} s")
        print(lines[-1], flush=True)
    print("=== summary")
    print("\n".join(lines))
    for name in empty:
        print(f"{name} ran nothing, which counts as a failure")
        total[1] += 1
    print(f"{total[0]} passed, {total[1]} failed" + (f", {total[2]} skipped" if total[2] else ""))
    sys.exit(1 if total[1] else 0)


if __name__ == "__main__":
    main()
