"""The description, held to the routes that are served and to what they answer."""

import json
from dataclasses import replace

from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from runnerhub.api.routes import ROUTES
from tests.api.conftest import Door, body
from tests.api.promises import SCHEMAS, documented
from tests.api.strategies import FULL

GARBLED = "?surprise=1"
LARGE = b" " * (1024 * 1024 + 1)


async def test_it_is_a_description(door: Door) -> None:
    answer = await door.get("/api/openapi.json", None)
    validate(await answer.get_json())


async def test_it_names_the_routes_and_no_other(door: Door) -> None:
    served = {
        (documented(rule.rule), method.lower())
        for rule in door.app.url_map.iter_rules()
        for method in rule.methods or ()
        if rule.rule.startswith("/api/") and method not in {"HEAD", "OPTIONS"}
    }
    described = {(path, method) for path, methods in ROUTES.items() for method in methods}
    assert served == described


def test_the_bodies_it_describes_are_those_that_are_taken() -> None:
    whole = {"$ref": "#/components/schemas/DelegateBody", "components": SCHEMAS}
    described = Draft202012Validator(whole)
    described.validate(FULL)
    described.validate(body())
    for wrong in ({"surprise": 1}, {"priority": 101}, {"labels": "x"}, {"external_id": None}):
        assert not described.is_valid(body(**wrong))


async def dead_letter(door: Door) -> str:
    made = (await (await door.delegate(body("given up"))).get_json())["id"]
    (job,) = await door.cluster.finished(door.life, made)
    door.cluster.ledger._jobs[made] = replace(job, dead_letter=True)
    return str(made)


async def test_each_answer_that_it_declares_is_given_so(door: Door) -> None:
    """`Door` holds each answer to the description; this asks for all of them."""
    made = (await (await door.delegate(body())).get_json())["id"]
    given_up = await dead_letter(door)
    places = {
        path: path.replace("{id}", given_up if "dead" in path else made).replace("{name}", "h1")
        for path in ROUTES
    }
    waiting = await (await door.delegate(body("waits", labels=["nowhere"]))).get_json()
    await door.post(f"/api/jobs/{waiting['id']}/cancel")
    for path, methods in ROUTES.items():
        for method, route in methods.items():
            verb, nowhere = method.upper(), path.replace("{id}", "x").replace("{name}", "x")
            await door.ask(verb, places[path], route.role, json=body())
            answer = await door.ask(verb, places[path], route.role, json=body())
            assert answer.status_code < 500
            await door.ask(verb, nowhere, route.role, json=body())
            await door.ask(verb, places[path], None, json=body())
            await door.ask(verb, places[path], "viewer", json=body())
            door.cluster.ledger.outage = True
            await door.ask(verb, places[path], route.role, json=body("2"))
            door.cluster.ledger.outage = False
    await door.delegate(body(priority=1))
    await door.delegate(body(priority=-1))
    await door.send(json.dumps(body()), "text/plain")
    await door.send(LARGE)
    declared = {
        (path, method, code)
        for path, methods in ROUTES.items()
        for method, route in methods.items()
        for code in (400, *route.answers, *route.problems)
    }
    slow = ("/api/jobs/delegate", "post", 408)  # takes a slow client: see test_server.py
    webhooks = "/api/webhooks/github"  # not configured here: see test_webhooks.py, test_github.py
    elsewhere = {each for each in declared if each[0] == webhooks and each[2] not in {400, 404}}
    elsewhere |= {
        each for each in declared if each[0].startswith("/api/github/") and each[2] == 503
    }
    deliveries = "/api/webhooks/deliveries"  # there are none here: see test_deliveries.py
    elsewhere |= {
        each for each in declared if each[0].startswith(deliveries) and each[2] in {202, 503}
    }
    odd = {each for each in declared if each[2] == 400}  # of odd shape: see test_framing.py
    assert door.promises.seen | odd == declared - {slow} - elsewhere
