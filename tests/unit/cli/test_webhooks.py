"""`runnerhub webhooks`: what was given up, and again."""

import json
from typing import Any

import httpx
import pytest

from tests.unit.cli import run
from tests.unit.cli.conftest import Serve

LIST = "GET /api/webhooks/deliveries"


def delivery(number: int) -> dict[str, Any]:
    return {
        "id": str(number),
        "delivery": f"g-{number}",
        "event": "workflow_job",
        "action": "queued",
        "repository": "acme/web",
        "state": "dead",
        "attempts": 10,
        "error": "RuntimeError('x')",
        "received_at": "2026-01-01T12:00:00Z",
    }


def page(*numbers: int) -> dict[str, Any]:
    found = [delivery(number) for number in numbers]
    return {"deliveries": found, "next_cursor": None, "configured": True}


def again(request: httpx.Request) -> dict[str, Any]:
    return {**delivery(int(request.url.path.split("/")[-2])), "state": "new"}


def test_the_dead_are_listed(api: Serve) -> None:
    seen = api({LIST: page(7, 5)})
    done = run("webhooks", "dead")
    assert done.exit_code == 0, done.exception
    assert len(done.stdout.splitlines()) == 3
    assert "RuntimeError" in done.stdout
    assert seen[0].url.params["state"] == "dead"
    assert json.loads(run("webhooks", "dead", "--json").stdout)["deliveries"][0]["id"] == "7"


def test_one_or_all_are_requeued(api: Serve) -> None:
    answers = {f"POST /api/webhooks/deliveries/{n}/requeue": again for n in (5, 7)}
    seen = api({LIST: page(7, 5), **answers})
    assert run("webhooks", "requeue", "5").stdout == "5\n"
    assert [request.method for request in seen] == ["POST"]
    assert run("webhooks", "requeue", "--all").stdout == "7\n5\n"
    shown = json.loads(run("webhooks", "requeue", "7", "--json").stdout)
    assert [each["state"] for each in shown["deliveries"]] == ["new"]


@pytest.mark.parametrize("options", [(), ("5", "--all")])
def test_one_must_say_which(api: Serve, options: tuple[str, ...]) -> None:
    api({})
    assert run("webhooks", "requeue", *options).exit_code == 2


def test_what_is_not_dead_is_said(api: Serve) -> None:
    refused = httpx.Response(404, json={"title": "Not Found", "detail": "no dead delivery 9"})
    api({"POST /api/webhooks/deliveries/9/requeue": refused})
    done = run("webhooks", "requeue", "9")
    assert done.exit_code == 1
    assert "no dead delivery 9" in done.stderr


def test_what_lives_again_meanwhile_keeps_none_of_the_others_from_it(api: Serve) -> None:
    gone = httpx.Response(404, json={"title": "Not Found", "detail": "no dead delivery 7"})
    path = "POST /api/webhooks/deliveries/{}/requeue"
    api({LIST: page(9, 7, 5), path.format(9): again, path.format(7): gone, path.format(5): again})
    done = run("webhooks", "requeue", "--all")
    assert (done.exit_code, done.stdout) == (0, "9\n5\n")
