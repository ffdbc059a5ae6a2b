"""Who may do what, and what a stranger is told."""

import base64
import time
from typing import Any

import jwt
import pytest

from runnerhub.api.auth import PERMISSIONS
from runnerhub.api.routes import ROUTES
from tests.api.conftest import SECRET, Door

RIGHT = {"iss": "runnerhub", "sub": "x", "role": "admin", "exp": int(time.time()) + 10**6}
DEEP = base64.urlsafe_b64encode(b"[" * 40_000).decode()


def signed(secret: str = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    wanted = {k: v for k, v in (RIGHT | claims).items() if v is not None}
    return jwt.encode(wanted, secret if algorithm != "none" else "", algorithm=algorithm)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Bearer a.b.c",
        "Bearer é",
        "Basic dXNlcjpwYXNz",
        f"Token {signed()}",
        f"Bearer {signed(exp=1)}",
        f"Bearer {signed(exp=None)}",
        f"Bearer {signed('another secret of thirty-two characters')}",
        f"Bearer {signed(algorithm='none')}",
        f"Bearer {signed(SECRET * 2, algorithm='HS512')}",
        f"Bearer {signed(iss='elsewhere')}",
        f"Bearer {signed(role='root')}",
        f"Bearer {signed(role=None)}",
        f"Bearer {signed(role=['admin'])}",
        f"Bearer {signed(role={'admin': 1})}",
        f"Bearer {DEEP}.{DEEP}.x",
    ],
    ids=lambda header: str(header)[:40],
)
async def test_no_good_token_is_401(door: Door, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = await door.get("/api/jobs", None, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.content_type == "application/problem+json"


NEEDED = {None: None, "viewer": "read", "proxy": "submit", "operator": "operate"}


@pytest.mark.parametrize("role", [None, *PERMISSIONS])
@pytest.mark.parametrize(
    ("path", "method", "least"),
    [(path, method, what.role) for path, m in ROUTES.items() for method, what in m.items()],
)
async def test_each_route_takes_its_role(
    door: Door, path: str, method: str, least: str | None, role: str | None
) -> None:
    place = path.replace("{id}", "none").replace("{name}", "none")
    answer = await door.ask(method.upper(), place, role)
    if path == "/api/webhooks/github":
        assert answer.status_code == 404  # not configured here: see test_webhooks.py
    elif least is None:
        assert answer.status_code == 200
    elif role is None:
        assert answer.status_code == 401
    elif NEEDED[least] not in PERMISSIONS[role]:
        assert answer.status_code == 403
        assert f"the role {role} may not" in (await answer.get_json())["detail"]
    else:
        assert answer.status_code in {200, 404, 415}


async def test_health_needs_no_token_and_says_more_to_a_viewer(door: Door) -> None:
    assert await (await door.get("/api/health", None)).get_json() == {"status": "ok"}
    assert await (await door.get("/api/health/ready", None)).get_json() == {"status": "ready"}
    seen = await (await door.get("/api/health/ready", "viewer")).get_json()
    assert {each["name"] for each in seen["dependencies"]} == {
        *("postgresql", "redis", "github", "docker:h1")
    }
    door.cluster.ledger.outage = True
    assert (await door.get("/api/health/ready", None)).status_code == 503
    assert (await door.get("/api/health", None)).status_code == 200
    door.cluster.ledger.outage = False


@pytest.mark.parametrize("header", ["Bearer x", f"Bearer {signed(exp=1)}", "Basic dXNlcjpwYXNz"])
async def test_readiness_is_told_whatever_the_token(door: Door, header: str) -> None:
    answer = await door.get("/api/health/ready", None, headers={"Authorization": header})
    assert answer.status_code == 200
    assert await answer.get_json() == {"status": "ready"}
    door.cluster.ledger.outage = True
    answer = await door.get("/api/health/ready", None, headers={"Authorization": header})
    door.cluster.ledger.outage = False
    assert answer.status_code == 503
    assert await answer.get_json() == {"status": "not_ready"}


async def test_metrics_are_open_only_where_they_are_opened(door: Door) -> None:
    assert (await door.get("/api/metrics", None)).status_code == 401
    closed = door.app.config["SETTINGS"]
    door.app.config["SETTINGS"] = closed.model_copy(update={"metrics_open": True})
    answer = await door.get("/api/metrics", None)
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain")
