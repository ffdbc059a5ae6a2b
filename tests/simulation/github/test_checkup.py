"""What the credentials may, as the simulated GitHub lets them: permissions taken away are named."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from runnerhub.actors.github.checkup import Asked, check_credential
from runnerhub.adapters.github import HttpTransport, RsaSigner
from runnerhub.config import GitHubSettings, PoolSettings, ScaleSetSettings, Settings
from runnerhub.model.check import Check
from runnerhub.model.github_permissions import needs_of
from runnerhub.ports.github import Credential
from runnerhub.runtime import ChildSpec, Root, Supervisor
from runnerhub.service.github_check import GitHubWatch, asked_of
from runnerhub.sim.counters import MemoryCounters
from runnerhub.sim.github.access import ALL_PERMISSIONS
from runnerhub.sim.github.serving import TOKEN, SimGitHub, sim_github
from tests.simulation.cluster import Cluster
from tests.simulation.github.nodes import Node, running

REPOSITORY, ACME = "repository", "orgs/acme"


@asynccontextmanager
async def sim() -> AsyncIterator[SimGitHub]:
    async with sim_github() as made:
        made.state.places.add_repository("acme/web")
        yield made


def node_of(github: SimGitHub, credential: Credential) -> Node:
    transport = HttpTransport(github.url, transport=github.transport)
    node = Node(transport, MemoryCounters(), credentials=(credential,))
    node.desk.wall = github.state.core.now
    return node


async def look(
    github: SimGitHub, credential: Credential, *scopes: str, webhooks: bool = False,
    skew: float = 0.0,
) -> list[Check]:  # fmt: skip
    app = credential.token is None
    asked = Asked(credential, needs_of(scopes, webhooks=webhooks, app=app), webhooks)
    async with running(node_of(github, credential)) as (gateway,):
        return await check_credential(gateway, asked, lambda: github.state.core.now() + skew)


def app_at(
    github: SimGitHub, *logins: str, granted: dict[str, str] | None = None, **more: Any
) -> Credential:
    app, key = github.state.access.add_app("hub", "acme", **more)
    for login in logins:
        github.state.access.install(app, login, permissions=granted)
    signer = RsaSigner(str(app.id), key, github.state.core.now)
    return Credential("hub", frozenset(), None, str(app.id), None, signer)


def without(name: str) -> dict[str, str]:
    return {key: level for key, level in ALL_PERMISSIONS.items() if key != name}


async def test_a_credential_that_may_all_is_ok(autojump_clock: MockClock) -> None:
    async with sim() as github:
        github.state.access.add_token("classic", "me", scopes=["repo", "admin:org"])
        for credential in (
            Credential("pat", token=TOKEN),
            Credential("pat", token="classic"),
            app_at(github, "acme"),
        ):
            checks = await look(github, credential, REPOSITORY, ACME, webhooks=True)
            assert [check.ok for check in checks] == [True, True], checks


async def test_what_does_not_answer_is_said(autojump_clock: MockClock) -> None:
    async with sim() as github:
        (check,) = await look(github, Credential("pat", token="gone"))
        assert (check.name, check.ok) == ("github:pat", False)
        assert "does not take the token" in check.detail
        stranger = app_at(github, "acme")
        other = Credential("hub", app_id="999", signer=stranger.signer)
        good = await look(github, other)  # the signature names the App
        assert good[0].ok
        github.state.access._book.apps.clear()
        (check,) = await look(github, stranger)
        assert "private_key_file" in check.detail


@pytest.mark.parametrize(("skew", "word"), [(100.0, "ahead of"), (-100.0, "behind")])
async def test_a_clock_that_differs_is_said(
    autojump_clock: MockClock, skew: float, word: str
) -> None:
    async with sim() as github:
        check, _ = await look(github, Credential("pat", token=TOKEN), skew=skew)
        assert not check.ok
        assert f"{word} GitHub's" in check.detail


@pytest.mark.parametrize(
    ("scopes", "wanted", "missing"),
    [
        (["repo"], [ACME], "admin:org"),
        (["admin:org"], [REPOSITORY], "repo"),
        (["repo"], ["enterprises/big"], "manage_runners:enterprise"),
    ],
)
async def test_a_classic_token_lacks_a_scope(
    autojump_clock: MockClock, scopes: list[str], wanted: list[str], missing: str
) -> None:
    async with sim() as github:
        github.state.access.add_token("t", "me", scopes=scopes)
        _, check = await look(github, Credential("pat", token="t"), *wanted)
        assert not check.ok
        assert f"the scope {missing}" in check.detail


@pytest.mark.parametrize(
    ("taken", "wanted"),
    [
        ("actions", []),
        ("administration", [REPOSITORY]),
        ("administration", ["repos/acme/web"]),
        ("organization_self_hosted_runners", [ACME]),
    ],
)
async def test_a_permission_taken_away_is_named(
    autojump_clock: MockClock, taken: str, wanted: list[str]
) -> None:
    async with sim() as github:
        github.state.access.add_token("fine", "me", permissions=without(taken))
        _, check = await look(github, Credential("pat", token="fine"), *wanted)
        assert not check.ok
        assert f"lacks `{taken}: " in check.detail
        _, check = await look(github, app_at(github, "acme", permissions=without(taken)), *wanted)
        assert not check.ok
        assert f"the App lacks `{taken}: " in check.detail
        _, check = await look(github, app_at(github, "acme", granted=without(taken)), *wanted)
        assert not check.ok
        assert f"the installation at acme lacks `{taken}: " in check.detail
        assert "accept" in check.detail


async def test_an_app_that_is_not_where_it_is_needed(autojump_clock: MockClock) -> None:
    async with sim() as github:
        _, check = await look(github, app_at(github, "other"), ACME)
        assert "not installed at acme" in check.detail
        _, check = await look(github, app_at(github))
        assert "installed nowhere" in check.detail
        deaf = app_at(github, "acme", events=["push"])
        _, check = await look(github, deaf, webhooks=True)
        assert "not subscribed to workflow_job" in check.detail
        _, check = await look(github, app_at(github, "acme"), "enterprises/big")
        assert "no App can" in check.detail


async def test_a_fine_grained_token_says_what_is_not_known(autojump_clock: MockClock) -> None:
    async with sim() as github:
        _, check = await look(github, Credential("pat", token=TOKEN), REPOSITORY)
        assert check.ok
        assert "does not tell whether it has `administration: write`" in check.detail
    async with sim_github() as empty:
        _, check = await look(empty, Credential("pat", token=TOKEN))
        assert "sees no repository" in check.detail


async def test_a_node_keeps_looking(autojump_clock: MockClock) -> None:
    async with sim() as github:
        credential = app_at(github, "acme", granted=without("actions"))
        world = await Cluster().new_world()
        settings = Settings(github=GitHubSettings(token="t"))
        node = node_of(github, credential)
        async with running(node) as (gateway,):
            asked = asked_of(settings, [credential])
            watch = GitHubWatch(world, gateway, asked, github.state.core.now)
            async with trio.open_nursery() as nursery:
                spec = ChildSpec("github-check", watch.run, kind="github-check")
                root = Root(Supervisor("root", [spec]).spec())
                await nursery.start(root.run)
                await trio.sleep(10)
                before = world.github_health
                assert before is not None
                assert (before.ok, before.required) == (False, False)
                assert "actions: read" in before.detail
                for each in github.state.access._book.installations.values():
                    each.permissions["actions"] = "read"
                await trio.sleep(400)
                after = world.github_health
                assert after is not None
                assert after.ok
                root.stop()


def test_a_pool_asks_of_the_credential_that_serves_it() -> None:
    pools = (
        PoolSettings(name="a", scope="orgs/acme", image="x"),
        PoolSettings(name="b", scope="orgs/other", image="x"),
        PoolSettings(name="c", scope="repository", image="x"),
    )
    github = GitHubSettings(webhook_secrets=("s",))
    settings = Settings(pools=pools, github=github)
    acme, rest = Credential("acme", frozenset({"acme"}), "t"), Credential("rest", token="t")
    mine, others = asked_of(settings, [acme, rest])
    assert {need.account for need in mine.needs} == {None, "acme"}
    assert {need.account for need in others.needs} == {None, "other"}
    assert mine.webhooks
    listening = ScaleSetSettings(name="s", scope="repos/Acme/web", pool="b")
    settings = Settings(pools=pools, github=github, scale_sets=(listening,))
    mine, others = asked_of(settings, [acme, rest])
    assert {need.place for need in mine.needs} == {None, "orgs/acme", "repos/Acme/web"}
    assert {need.place for need in others.needs} == {None}
