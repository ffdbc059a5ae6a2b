import dataclasses
import json

import pytest
import trio
from prometheus_client import CollectorRegistry, generate_latest
from trio.testing import MockClock

from runnerhub.runtime import Restart, Supervisor
from runnerhub.runtime.metrics import register_metrics
from runnerhub.runtime.telemetry import MAX_KINDS, Telemetry

from .helpers import Crash, Diary, Ping, a_tree


async def test_s64_a_snapshot_shows_the_tree(autojump_clock: MockClock) -> None:
    diary = Diary()
    inner = Supervisor("inner", [diary.spec("b"), diary.spec("c")])
    async with a_tree(diary.spec("a"), inner.spec()) as tree:
        began = trio.current_time()
        assert await tree.ref("a").ask(Ping, 1.0) == "a"
        await tree.tell("b", Crash())
        await trio.sleep(1)
        tree.ref("c").tell(Crash())
        shot = tree.root.snapshot()
        assert shot.render().splitlines() == [
            "top (supervisor)  running",
            "├─ a (test)  running",
            "└─ inner (supervisor)  running",
            "   ├─ b (test)  running  restarts 1",
            "   └─ c (test)  running  waiting 1/128",
        ]
        assert [actor.name for actor in shot.walk()] == ["top", "a", "inner", "b", "c"]
        a = shot.children[0]
        assert (a.handled, a.started_at) == (1, began)
        assert json.loads(json.dumps(shot.to_json()))["children"][1]["children"][1] == {
            "name": "c",
            "kind": "test",
            "phase": "running",
            "mailbox": {"depth": 1, "capacity": 128},
            "handled": 0,
            "restarts": 0,
            "started_at": began,
            "children": [],
        }
        with pytest.raises(dataclasses.FrozenInstanceError):
            a.name = "b"  # type: ignore[misc]


async def test_s65_metrics_by_kind(autojump_clock: MockClock) -> None:
    diary = Diary()
    registry = CollectorRegistry()
    async with a_tree(diary.spec("a", kind="host"), diary.spec("b", kind="host")) as tree:
        register_metrics(tree.registry, registry)
        for _ in range(3):
            await tree.ref("a").ask(Ping, 1.0)
        await tree.tell("b", Crash())
        await trio.sleep(1)
        for number in range(5):
            spec = diary.spec(f"job-{number}", Restart.TEMPORARY, kind="job")
            await tree.supervisor.start_child(spec)
        tree.ref("job-3").tell(Crash())
        text = generate_latest(registry).decode()

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"runnerhub_actor_{name}", labels)

    for line in (
        'runnerhub_actor_live{kind="host"} 2.0',
        'runnerhub_actor_live{kind="job"} 5.0',
        'runnerhub_actor_restarts_total{kind="host"} 1.0',
        'runnerhub_actor_restarts_total{kind="job"} 0.0',
        'runnerhub_actor_mailbox_depth{kind="job"} 1.0',
        'runnerhub_actor_messages_total{kind="host"} 4.0',
        'runnerhub_actor_handling_seconds_bucket{kind="host",le="+Inf"} 4.0',
    ):
        assert line in text.splitlines()
    assert "job-3" not in text
    assert value("live", kind="job") == 0
    assert (value("handling_seconds_sum", kind="host") or 0) > 0


def test_s65_kinds_are_bounded() -> None:
    telemetry = Telemetry()
    for number in range(1000):
        telemetry.of(f"kind-{number}").live += 1
    assert len(telemetry.kinds) == MAX_KINDS
    assert telemetry.kinds["other"].live == 1000 - MAX_KINDS + 1
    assert telemetry.of("kind-0").live == 1
