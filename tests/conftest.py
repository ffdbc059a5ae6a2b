"""Fixtures for real parts. Each is started once a session, and only when a test asks for it.

    docker_engine      a shared Docker Engine (live-restore) with the test image, wiped after a test
    new_dockerd        a function: new_dockerd(live_restore=…, tcp=…, …) → a started engine
    registry           an image registry, with an engine that pulls from it, both of the module
    postgres_server    the session's PostgreSQL, running
    postgres_url       its address
    fresh_database     the address of a database of the test's own
    redis_server       the session's Redis, running and empty
    redis_url          its address

A test that breaks a shared server need not repair it: the next test finds it running again.
A part that is missing skips the test with a reason, and fails it when CI=true.

`make test` has two lanes. What is on the shared engine goes through one of them, in order, so that
there is one such engine; what starts engines of its own stays together by module; all else goes
where there is room. The long groups begin first.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import structlog
from hypothesis import settings

from tests.parts import dockerd, postgres, redis, registry, require
from tests.parts.dockerd import Dockerd
from tests.parts.postgres import PostgresServer
from tests.parts.redis import RedisServer
from tests.parts.registry import Registry

# How long an example takes says more about the machine's neighbours than about the code.
settings.register_profile("house", deadline=None, print_blob=True)
settings.load_profile("house")


ENGINES_OF_THEIR_OWN = {"new_dockerd", "registry"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test its lane; a module that starts an engine of its own stays together."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if "_session_engine" in fixtures:
            item.add_marker(pytest.mark.xdist_group("engine"))
        elif fixtures & ENGINES_OF_THEIR_OWN or item.path.parent.name == "e2e":
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """Let no test's logging outlive it: it would write to a stream that is closed by then."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def _session_engine() -> Iterator[Dockerd]:
    reason = dockerd.missing()
    if reason:
        require("Docker Engine", reason)
    with Dockerd(live_restore=True) as engine:
        engine.import_busybox()
        yield engine


@pytest.fixture
def docker_engine(_session_engine: Dockerd) -> Iterator[Dockerd]:
    """The session's engine, empty but for the image `tests.parts.images.BUSYBOX`."""
    if not _session_engine.answers():
        _session_engine.kill9()
        _session_engine.start()
    yield _session_engine
    if not _session_engine.answers():
        _session_engine.kill9()
        _session_engine.start()
    _session_engine.wipe()


@pytest.fixture
def new_dockerd() -> Iterator[Callable[..., Dockerd]]:
    """A function that starts an engine for this test, with `Dockerd`'s arguments and the image."""
    reason = dockerd.missing()
    if reason:
        require("Docker Engine", reason)
    with ExitStack() as engines:

        def start(**arguments: Any) -> Dockerd:
            if arguments.get("storage_driver") == "btrfs":
                reason = dockerd.missing_btrfs()
                if reason:
                    require("btrfs", reason)
            engine = engines.enter_context(Dockerd(**arguments))
            engine.import_busybox()
            return engine

        yield start


@pytest.fixture(scope="module", name="registry")
def _registry() -> Iterator[tuple[Registry, Dockerd]]:
    """A registry and an engine that reaches it, at an address outside of the engine."""
    for part, reason in (("Docker Engine", dockerd.missing()), ("registry", registry.missing())):
        if reason:
            require(part, reason)
    with Dockerd(cable=True, extra=["--insecure-registry", "10.213.0.0/16"]) as engine:
        assert engine.network is not None
        assert engine.network.outside is not None
        with Registry(engine.network.outside) as server:
            yield server, engine


@pytest.fixture(scope="session")
def _session_postgres() -> Iterator[PostgresServer]:
    if postgres.find_programs() is None:
        require("PostgreSQL", "neither the extra `embedded` nor Debian's postgresql is installed")
    with PostgresServer() as server:
        yield server


@pytest.fixture
def postgres_server(_session_postgres: PostgresServer) -> Iterator[PostgresServer]:
    """The session's PostgreSQL, with controls for outages."""
    yield _session_postgres.start()
    if _session_postgres.running:
        _session_postgres.resume()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> str:
    """The address of the session's PostgreSQL."""
    return postgres_server.url()


@pytest.fixture
def fresh_database(postgres_server: PostgresServer) -> Iterator[str]:
    """The address of an empty database, dropped after the test."""
    name = postgres_server.create_database()
    yield postgres_server.url(name)
    postgres_server.start()
    postgres_server.resume()
    postgres_server.drop_database(name)


@pytest.fixture(scope="session")
def _session_redis() -> Iterator[RedisServer]:
    if redis.find_program() is None:
        require("Redis", "neither the extra `embedded` nor Debian's redis-server is installed")
    with RedisServer() as server:
        yield server


@pytest.fixture
def redis_server(_session_redis: RedisServer) -> Iterator[RedisServer]:
    """The session's Redis, empty, with controls for outages."""
    _session_redis.start().flush()
    yield _session_redis
    if _session_redis.running:
        _session_redis.resume()


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The address of the session's Redis."""
    return redis_server.url()
