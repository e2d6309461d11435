"""How long, on what and with which random choices sources converge: the environment may say it (docs/dev/testing.md)."""
import os
import random

SEED = os.environ.get("PGREPL_CONVERGENCE_SEED") or str(random.SystemRandom().randrange(10 ** 9))
SECONDS = float(os.environ.get("PGREPL_CONVERGENCE_SECONDS", 25))
# Time grows with their number, and nothing else did up to 2,000.
TABLES = int(os.environ.get("PGREPL_CONVERGENCE_TABLES", 400))
# For a server that is to be killed: what is committed outlives its end.
DURABLE = {"innodb-flush-log-at-trx-commit": 1, "sync-binlog": 1}
