"""What is asked of a credential."""

import pytest

from runnerhub.model.github_permissions import lacking, lacking_scopes, needs_of, scopes_of


def test_each_scope_of_runners_asks_its_own() -> None:
    needs = needs_of({"repository", "orgs/acme", "enterprises/big"}, webhooks=False, app=True)
    assert [(need.permission, need.level) for need in needs] == [
        ("metadata", "read"),
        ("actions", "read"),
        ("enterprise_runners", "write"),
        ("organization_self_hosted_runners", "write"),
        ("administration", "write"),
    ]


def test_a_token_needs_more_to_replay_webhooks() -> None:
    assert not needs_of((), webhooks=True, app=True)[2:]
    (replay,) = needs_of((), webhooks=True, app=False)[2:]
    assert replay.permission == "repository_hooks"
    assert not lacking_scopes([replay], {"repo"})
    assert lacking_scopes([replay], {"public_repo"}) == [replay]


@pytest.mark.parametrize(("held", "missing"), [("admin", 0), ("write", 0), ("read", 1)])
def test_a_level_covers_those_below(held: str, missing: int) -> None:
    needs = needs_of({"repository"}, webhooks=False, app=True)
    permissions = {"metadata": "read", "actions": "write", "administration": held}
    assert len(lacking(needs, permissions, "acme")) == missing
    assert lacking(needs, {**permissions, "actions": "something new"}, None)


def test_what_one_organisation_needs_is_not_asked_of_another() -> None:
    needs = needs_of({"orgs/Acme"}, webhooks=False, app=True)
    held = {"metadata": "read", "actions": "read"}
    assert lacking(needs, held, "other") == []
    assert len(lacking(needs, held, "ACME")) == len(lacking(needs, held, None)) == 1


def test_scopes_are_read() -> None:
    assert scopes_of("repo, admin:org,") == {"repo", "admin:org"}
    assert scopes_of("") == frozenset()
    needs = needs_of({"orgs/acme"}, webhooks=False, app=False)
    assert [need.classic[0] for need in lacking_scopes(needs, {"repo"})] == ["admin:org"]
    assert lacking_scopes(needs, {"repo", "manage_runners:org"}) == []
