"""Webhook deliveries, for operators: which were given up and why, and to have one tried again."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from quart import Blueprint, current_app

from runnerhub.api.guard import needs, subject_of_request
from runnerhub.api.jobs import LIMIT_FORM, MOST_JOBS
from runnerhub.api.problems import Problem, not_found
from runnerhub.api.reading import parameters
from runnerhub.api.views import kept_delivery_view
from runnerhub.ports.deliveries import CURSOR_FORM, MOST_SEQ, DeliveryState
from runnerhub.ports.github_events import WebhookDoor

deliveries = Blueprint("deliveries", __name__)

Answer = tuple[Mapping[str, Any], int]


def _door() -> WebhookDoor | None:
    door: WebhookDoor | None = current_app.config["WEBHOOKS"]
    return door


@deliveries.get("/api/webhooks/deliveries")
@needs("operate")
async def page() -> Answer:
    """List deliveries, newest first."""
    args = parameters("state", "cursor", "limit")
    state = args.get("state")
    if state is not None and state not in set(DeliveryState):
        words = f"state must be one of {', '.join(DeliveryState)}"
        raise Problem(HTTPStatus.BAD_REQUEST, words)
    limit = args.get("limit", "100")
    if not LIMIT_FORM.fullmatch(limit) or int(limit) > MOST_JOBS:
        raise Problem(HTTPStatus.BAD_REQUEST, "limit must be a whole number from 1 to 1000")
    door = _door()
    if door is None:
        return {"deliveries": [], "next_cursor": None, "configured": False}, HTTPStatus.OK
    try:
        found = await door.page(
            DeliveryState(state) if state else None, cursor=args.get("cursor"), limit=int(limit)
        )
    except ValueError:
        words = "cursor must be the next_cursor of an earlier answer"
        raise Problem(HTTPStatus.BAD_REQUEST, words) from None
    return {
        "deliveries": [kept_delivery_view(each) for each in found.items],
        "next_cursor": found.next_cursor,
        "configured": True,
    }, HTTPStatus.OK


@deliveries.post("/api/webhooks/deliveries/<number>/requeue")
@needs("operate")
async def requeue(number: str) -> Answer:
    """Have a delivery tried again that was given up."""
    door = _door()
    known = CURSOR_FORM.fullmatch(number) and int(number) <= MOST_SEQ
    again = await door.requeue(int(number), subject_of_request()) if door and known else None
    if again is None:
        raise not_found(f"dead delivery {number}")
    return kept_delivery_view(again), HTTPStatus.ACCEPTED
