"""What a job leaves open is taken from its pool, once, when it is accepted."""

from dataclasses import replace

import pytest

from runnerhub.model.job import Network, Resources
from runnerhub.model.pool import Pool
from tests.api.conftest import Door, body

POOLS = (
    Pool(
        "builds",
        frozenset({"linux"}),
        image="busybox:1",
        network=Network.EGRESS,
        resources=Resources(cpus=1.5, pids=64),
    ),
    Pool("alone", frozenset({"alone"}), network=Network.NONE),
)


@pytest.fixture
def pools(door: Door) -> Door:
    door.life.world.settings = replace(door.life.world.settings, pools=POOLS)
    return door


async def test_image_network_and_limits_come_from_the_pool(pools: Door) -> None:
    asked = body(labels=["Linux"], execution={"resources": {"pids": 9}})
    del asked["execution"]["image"]
    answer = await pools.delegate(asked)
    assert answer.status_code == 201
    job = await pools.cluster.ledger.job((await answer.get_json())["id"])
    assert job is not None
    execution = job.spec.execution
    assert execution.image == "busybox:1"
    assert execution.network is Network.EGRESS
    assert execution.resources == Resources(cpus=1.5, pids=9)
    assert (await pools.delegate(asked)).status_code == 200


async def test_what_the_job_names_stands(pools: Door) -> None:
    asked = body(labels=["linux"], execution={"image": "other:2", "network": "none"})
    job_id = (await (await pools.delegate(asked)).get_json())["id"]
    job = await pools.cluster.ledger.job(job_id)
    assert job is not None
    assert (job.spec.execution.image, job.spec.execution.network) == ("other:2", Network.NONE)


@pytest.mark.parametrize(
    ("labels", "change", "field"),
    [
        ([], {"image": None}, "execution.image"),
        (["alone"], {"services": [{"name": "db", "image": "x:1"}]}, "execution.services"),
    ],
)
async def test_what_the_pool_does_not_make_whole_is_refused(
    pools: Door, labels: list[str], change: dict[str, object], field: str
) -> None:
    answer = await pools.delegate(body(labels=labels, execution=change))
    assert answer.status_code == 422
    assert (await answer.get_json())["errors"][0]["field"] == field
