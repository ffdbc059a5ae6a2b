"""Pulls by a real engine from a real registry: what is said meanwhile, and how they fail."""

import math
from collections.abc import Awaitable, Callable

import pytest
import trio

from runnerhub.actors.images import Images
from runnerhub.adapters.docker import DockerEngine
from runnerhub.ports.engine import ContainerSpec, PullProgress
from runnerhub.ports.errors import EngineUnavailable, ImagePullFailed
from runnerhub.runtime import Bridge, run_guest
from tests.parts.dockerd import Dockerd
from tests.parts.images import busybox_root
from tests.parts.registry import Registry, random_layer

pytestmark = [pytest.mark.real, pytest.mark.timeout(60)]

Parts = tuple[Registry, Dockerd]


def run(
    part: Dockerd, case: Callable[[DockerEngine], Awaitable[None]], stall_seconds: float = 20.0
) -> None:
    """Run a case on the engine."""

    async def main(bridge: Bridge) -> None:
        engine = DockerEngine(bridge, part.unix_url, stall_seconds=stall_seconds)
        await engine.open()
        try:
            with trio.fail_after(30):
                await case(engine)
        finally:
            await engine.close()

    run_guest(main)


def test_a_pull_says_how_far_it_is(registry: Parts) -> None:
    server, part = registry
    more = [random_layer(name, 1_000_000) for name in ("a", "b")]
    image, seen = server.push("told", "1", busybox_root(), *more), list[PullProgress]()

    async def case(engine: DockerEngine) -> None:
        assert not await engine.has_image(image)
        with server.proxy() as proxy:
            proxy.bytes_per_second = 4e6
            await engine.pull_image(proxy.through(image), seen.append)
            assert await engine.has_image(proxy.through(image))
            assert (await engine.image_config(proxy.through(image))).command == ("/bin/sh",)

    run(part, case)
    assert len({each.done_bytes for each in seen}) > 10
    assert [each.done_layers for each in seen] == sorted(each.done_layers for each in seen)
    last = seen[-1]
    assert (last.done_layers, last.total_layers) == (3, 3)
    assert last.done_bytes == last.total_bytes > 2_000_000


def test_a_slow_pull_that_moves_goes_on_and_one_that_stands_still_fails(registry: Parts) -> None:
    server, part = registry
    image = server.push("slow", "1", random_layer("a", 600_000))

    async def case(engine: DockerEngine) -> None:
        with server.proxy() as proxy:
            proxy.stall_after(300_000)
            began = trio.current_time()
            with pytest.raises(ImagePullFailed, match="no progress for 1 s"):
                await engine.pull_image(proxy.through(image))
            assert trio.current_time() - began < 3
            proxy.resume()
            proxy.bytes_per_second = 200_000
            began = trio.current_time()
            await engine.pull_image(proxy.through(image))
            assert trio.current_time() - began > 2

    run(part, case, stall_seconds=1.0)


def test_a_registry_that_breaks_off_and_stays_away_makes_no_progress(registry: Parts) -> None:
    # The engine tries again by itself, and counts the seconds down to it.
    server, part = registry
    image, moved = server.push("broken", "1", random_layer("a", 2_000_000)), trio.Event()

    def note(progress: PullProgress) -> None:
        if progress.done_bytes:
            moved.set()

    async def case(engine: DockerEngine) -> None:
        with server.proxy() as proxy:
            proxy.stall_after(1_000_000)

            async def break_off() -> None:
                await moved.wait()
                proxy.stall_after(0)
                proxy.cut()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(break_off)
                began = trio.current_time()
                with pytest.raises(ImagePullFailed, match="no progress for 2 s"):
                    await engine.pull_image(proxy.through(image), note)
                assert trio.current_time() - began < 5

    run(part, case, stall_seconds=2.0)


def test_what_is_not_there_fails_with_the_registrys_words(registry: Parts) -> None:
    server, part = registry
    image = server.push("there", "1", busybox_root())

    async def case(engine: DockerEngine) -> None:
        with pytest.raises(ImagePullFailed, match="manifest unknown"):
            await engine.pull_image(image.replace(":1", ":2"))
        with pytest.raises(ImagePullFailed, match=r"refused"):
            await engine.pull_image(f"{server.address}:1/none:1")
        await engine.pull_image(image)

    run(part, case)


def test_a_frozen_engine_is_no_missing_image(registry: Parts) -> None:
    server, part = registry
    image = server.push("frozen", "1", random_layer("a", 600_000))

    async def case(engine: DockerEngine) -> None:
        with server.proxy() as proxy:
            proxy.stall_after(300_000)

            def freeze(progress: PullProgress) -> None:
                if progress.done_bytes:
                    part.pause()

            try:
                with pytest.raises(EngineUnavailable):
                    await engine.pull_image(proxy.through(image), freeze)
            finally:
                part.resume()

    run(part, case, stall_seconds=1.0)


def test_a_cancelled_pull_ends_at_once(registry: Parts) -> None:
    server, part = registry
    image = server.push("cancelled", "1", random_layer("a", 600_000))

    async def case(engine: DockerEngine) -> None:
        with server.proxy() as proxy, trio.CancelScope() as scope:
            proxy.stall_after(300_000)
            began, ended = math.inf, math.inf

            def give_up(progress: PullProgress) -> None:
                nonlocal began
                if progress.done_bytes:
                    began = trio.current_time()
                    scope.cancel()

            try:
                await engine.pull_image(proxy.through(image), give_up)
            finally:
                ended = trio.current_time()
        assert scope.cancelled_caught
        assert ended - began < 1
        await engine.pull_image(image)

    run(part, case)


def test_always_has_what_was_pushed_meanwhile(registry: Parts) -> None:
    server, part = registry

    async def case(engine: DockerEngine) -> None:
        images, used = Images(engine, {}), list[str]()
        for round_ in range(3):
            if round_ != 1:
                image = server.push("always", "1", random_layer("a", 1000))
            await images.ensure(image, "always")
            assert len(server.requests("/always/manifests/1")) == round_ + 1
            await images.ensure(image, "if-missing")
            assert len(server.requests("/always/manifests/1")) == round_ + 1
            used.append(await engine.create_container(ContainerSpec("rh-pulled", image, {})))
            used[-1] = part.get(f"/containers/{used[-1]}/json")["Image"]
            await engine.remove_container("rh-pulled")
        assert used[0] == used[1] != used[2]

    run(part, case)


def test_never_asks_no_registry(registry: Parts) -> None:
    server, part = registry
    image = server.push("never", "1", random_layer("a", 1000))

    async def case(engine: DockerEngine) -> None:
        images = Images(engine, {})
        with pytest.raises(ImagePullFailed, match="not on the host and the pull policy is never"):
            await images.ensure(image, "never")
        assert not server.requests("/never/manifests")
        await engine.pull_image(image)
        await images.ensure(image, "never")

    run(part, case)
