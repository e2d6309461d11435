#!/usr/bin/python3
"""Faults at random, under load, and afterwards every target must equal its file.

    CHAOS_FAULTS=20 CHAOS_BLOCK=20 CHAOS_SEED=… test/chaos/chaos.py        CHAOS_KEEP=1 keeps the cluster's directory

Which faults come, with what they aim at, and which transactions the writer makes, are pure functions of the seed (and
of the kinds of workers and failure points that src has); when they happen beside each other is not. A block is CHAOS_FAULTS' next
CHAOS_BLOCK faults; at its end the writer pauses,
standing conditions are undone, and everything is compared (checks.py). The first block that differs ends the run.

To look past a known defect: CHAOS_WITHOUT=pause,full leaves out the kinds of faults that begin so, and
CHAOS_KNOWN="staging table" lets differences that begin so pass.
CHAOS_SABOTAGE=flip|delete|double makes one target row wrong before the last comparison, which must then fail."""
import collections
import os
import pathlib
import random
import sys
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "test/chaos"), str(ROOT / "test/servers")]

import control_faults  # noqa: E402, F401  (registers its faults)
import followed  # noqa: E402, F401  (registers its faults)
from checks import MEMORY_LIMIT_KB, problems, sabotage, settle, unsettle  # noqa: E402
from faults import FAULTS  # noqa: E402
from world import World  # noqa: E402

SHOWN_FAULTS = 30
SHOWN_LOG_BYTES = 3000


def listed(variable):
    return tuple(filter(None, os.environ.get(variable, "").split(",")))


WITHOUT, KNOWN = listed("CHAOS_WITHOUT"), listed("CHAOS_KNOWN")


def say(text):
    print(text, flush=True)


def is_known(difference):
    return bool(KNOWN) and difference.startswith(KNOWN)


class Run:
    def __init__(self, faults, seed, block):
        self.faults, self.seed, self.block_size = faults, seed, block
        self.blocks = -(-faults // block)
        self.log = collections.deque(maxlen=SHOWN_FAULTS)
        self.tried, self.hit = collections.Counter(), collections.Counter()
        self.schedule = random.Random(f"{seed} schedule")
        self.number = 0
        self.kinds = [kind for kind in FAULTS if not (WITHOUT and kind.startswith(WITHOUT))]

    def next_fault(self, world):
        kind = self.schedule.choices(self.kinds, [FAULTS[kind][0] for kind in self.kinds])[0]
        self.number += 1
        self.tried[kind] += 1
        began = world.seconds()
        # A generator of its own: how many draws one fault makes does not change the next.
        target = FAULTS[kind][1](world, random.Random(f"{self.seed} fault {self.number}"))
        self.hit[kind] += target is not None
        line = f"fault {self.number:4} {began:7.1f} s  {kind}: {target or 'nothing to hit'}"
        self.log.append(line)
        say(line)
        world.call("SELECT 1")

    def block(self, world, number):
        """What went wrong in one block, as texts."""
        began = world.seconds()
        unsettle(world)
        world.go()
        last = min(number * self.block_size, self.faults)
        try:
            while self.number < last:
                self.next_fault(world)
            faults_done = world.seconds()
            found = settle(world)
        except Exception:  # an error that no fault explains, a hang, the writer's end
            log = world.log_since(max(world.log_length() - SHOWN_LOG_BYTES, 0))
            return [f"in fault {self.number} or after it:\n{traceback.format_exc()}", f"the server's log ends:\n{log}"]
        settled = world.seconds()
        if number == self.blocks and os.environ.get("CHAOS_SABOTAGE"):
            sabotage(world, os.environ["CHAOS_SABOTAGE"])
        found += problems(world)
        for difference in filter(is_known, found):
            say(f"known: {difference}")
        found = [difference for difference in found if not is_known(difference)]
        say(f"block {number}: {len(found)} differences; faults {faults_done - began:.1f} s, "
            f"until up to date {settled - faults_done:.1f} s, comparison {world.seconds() - settled:.1f} s; "
            f"{world.transactions()} transactions; most memory of a worker "
            f"{world.memory.highest_kb >> 10} of {MEMORY_LIMIT_KB >> 10} MB")
        return found

    def report_differences(self, number, found):
        say("\n".join(["", f"DIFFERENCES in block {number} of seed {self.seed}", "the last faults were:", *self.log,
                       "what differs:", *found]))

    def report(self, blocks, differences, seconds):
        say("")
        for kind in FAULTS:
            if self.tried[kind]:
                say(f"  {self.hit[kind]:4} of {self.tried[kind]:4} hit  {kind}")
        say(f"{self.number} faults in {blocks} blocks, {differences} differences, seed {self.seed}, {seconds:.0f} s")


def run(faults, seed, block=20):
    """Blocks that (passed, failed, were skipped); a fault that cannot be had here counts as skipped."""
    say(f"CHAOS_SEED={seed} CHAOS_FAULTS={faults} CHAOS_BLOCK={block} test/chaos/chaos.py")
    this, passed, failed, differences, keep = Run(faults, seed, block), 0, 0, 0, bool(os.environ.get("CHAOS_KEEP"))
    world = World(seed)
    try:
        if world.disk_obstacle:
            say(f"skipped: full disk: {world.disk_obstacle}")
        for obstacle in world.server_obstacles:
            say(f"skipped: a server to follow: {obstacle}")
        while passed < this.blocks and not failed:
            found = this.block(world, passed + 1)
            if found:
                this.report_differences(passed + 1, found)
                failed, differences, keep = 1, len(found), True
            else:
                passed += 1
    finally:
        world.end(keep)
        if keep:
            say(f"the cluster, its log and the files are kept in {world.cluster.directory}")
    this.report(passed + failed, differences, world.seconds())
    return passed, failed, bool(world.disk_obstacle) + len(world.server_obstacles)


def seed_of_this_run():
    return os.environ.get("CHAOS_SEED") or str(random.SystemRandom().randrange(10 ** 9))


def main():
    faults, block = int(os.environ.get("CHAOS_FAULTS", 20)), int(os.environ.get("CHAOS_BLOCK", 20))
    failed = run(faults, seed_of_this_run(), block)[1]
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
