"""Which pool a job belongs to, and what it takes from there."""

from runnerhub.model.job import Resources
from runnerhub.model.pool import DEFAULT_POOL, Pool, pool_of

BASE = Pool("base")
LINUX = Pool("linux", frozenset({"linux"}))
BIG = Pool("big", frozenset({"linux", "big"}))


def test_the_pool_that_names_the_most_labels_wins() -> None:
    assert pool_of(["Linux", "BIG", "x"], [BASE, LINUX, BIG]) is BIG
    assert pool_of(["linux"], [BIG, LINUX, BASE]) is LINUX
    assert pool_of([], [LINUX, BASE]) is BASE
    assert pool_of(["other"], [LINUX]) is DEFAULT_POOL


def test_a_limit_of_the_pool_stands_where_the_job_names_none() -> None:
    pool = Pool(resources=Resources(cpus=2.0, memory_mb=512))
    assert pool.limits(Resources(memory_mb=64, pids=9)) == Resources(2.0, 64, 9)
