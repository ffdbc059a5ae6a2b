"""GitHub's webhooks: the signature is the proof, and what was answered 2xx is durable.

What is cheap to know is asked first; the body of who cannot have a signature is not read.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NoReturn

import trio
from quart import Blueprint, current_app, request
from werkzeug.exceptions import RequestEntityTooLarge

from runnerhub.api.bodies import FREE_BYTES, MOST_BYTES, read_body
from runnerhub.api.problems import Problem
from runnerhub.model.webhook import action_of, route
from runnerhub.model.webhook_signature import is_signed, signature_of
from runnerhub.ports.deliveries import Delivery
from runnerhub.ports.errors import Unavailable
from runnerhub.ports.github_events import WebhookDoor
from runnerhub.ports.hub import Overloaded

webhooks = Blueprint("webhooks", __name__)

GUID_FORM = re.compile(r"[\x21-\x7e]{1,128}")
EVENT_FORM = re.compile(r"[A-Za-z0-9_.-]{1,64}")
NUMBER_FORM = re.compile(r"[0-9]{1,19}")
ONCE = (
    "X-Hub-Signature-256",
    "X-GitHub-Event",
    "X-GitHub-Delivery",
    "X-GitHub-Hook-ID",
    "X-GitHub-Hook-Installation-Target-Type",
    "Content-Type",
    "Content-Encoding",
)
FORM = "application/x-www-form-urlencoded"
TARGETS = {"repository": "/repos/{}/hooks/{}", "organization": "/orgs/{}/hooks/{}"}

Answer = tuple[Mapping[str, Any], int]


@webhooks.post("/api/webhooks/github")
async def github() -> Answer:
    """Take a delivery."""
    began = trio.current_time()
    door: WebhookDoor | None = current_app.config["WEBHOOKS"]
    secrets: tuple[str, ...] = current_app.config["SETTINGS"].github.webhook_secrets
    if door is None or not any(secrets):
        words = "GitHub webhooks are not configured here: set github.webhook_secrets"
        raise Problem(HTTPStatus.NOT_FOUND, words)
    try:
        guid = await _take(door, secrets)
    except (Overloaded, Unavailable):
        door.refused("overload")
        raise
    door.answered(trio.current_time() - began)
    return {"delivery": guid}, HTTPStatus.ACCEPTED


async def _take(door: WebhookDoor, secrets: tuple[str, ...]) -> str:
    _refuse_doubles(door)
    signature = signature_of(request.headers.get("X-Hub-Signature-256"))
    if signature is None:
        _unsigned(door, "X-Hub-Signature-256 is missing, or is not sha256= and 64 hex digits")
    _refuse_other_types(door)
    body = await _body(door)
    fits = (body, signature, secrets)
    signed = (
        await trio.to_thread.run_sync(is_signed, *fits)
        if len(body) > FREE_BYTES
        else is_signed(*fits)
    )
    if not signed:
        _unsigned(door, "the signature fits none of the secrets")
    payload = _read(door, body)
    guid, event = (
        _header(door, "X-GitHub-Delivery", GUID_FORM),
        _header(door, "X-GitHub-Event", EVENT_FORM),
    )
    asks = route(event, payload)
    if asks is None:
        door.ignored(event)
        return guid
    digest = hashlib.sha256(body).digest()
    hook = _hook(asks.repository, payload)
    await door.receive(Delivery(guid, digest, event, action_of(payload), asks, hook))
    return guid


def _refuse_doubles(door: WebhookDoor) -> None:
    """Refuse a header that stands twice: whatever stands before us may have read the other one."""
    for name in ONCE:
        if len(request.headers.getlist(name)) > 1:
            door.refused("headers")
            raise Problem(HTTPStatus.BAD_REQUEST, f"{name} must be given once")


def _refuse_other_types(door: WebhookDoor) -> None:
    if request.mimetype == FORM:
        door.refused("form")
        words = "set the webhook's content type at GitHub to application/json; this is a form"
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, words)
    if not request.is_json:
        door.refused("form")
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send application/json")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        door.refused("form")
        words = "send it without Content-Encoding"
        headers = {"Accept-Encoding": "identity"}
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, words, headers=headers)


async def _body(door: WebhookDoor) -> bytes:
    try:
        body = await read_body(request, current_app.config["BODY_TIMEOUT"])
    except RequestEntityTooLarge:
        door.refused("size")
        words = f"a delivery may have {MOST_BYTES} bytes"
        raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, words) from None
    except Problem:
        door.refused("overload")
        raise
    if body is None:
        door.refused("slow")
        raise Problem(HTTPStatus.REQUEST_TIMEOUT, "the body did not arrive in time")
    return body


def _read(door: WebhookDoor, body: bytes) -> Mapping[str, Any]:
    try:
        payload = json.loads(body.decode("utf-8-sig"))  # it would guess, and take UTF-16 too
    except (ValueError, RecursionError):
        payload = None
    if not isinstance(payload, dict):
        door.refused("not_json")
        raise Problem(HTTPStatus.BAD_REQUEST, "the body is no JSON object")
    return payload


def _header(door: WebhookDoor, name: str, form: re.Pattern[str]) -> str:
    value = request.headers.get(name, "")
    if not form.fullmatch(value):
        door.refused("headers")
        raise Problem(HTTPStatus.BAD_REQUEST, f"{name} is missing, or GitHub would not send it")
    return value


def _hook(repository: str | None, payload: Mapping[str, Any]) -> str | None:
    """Return the webhook that sent it, as a path of GitHub's API."""
    number = request.headers.get("X-GitHub-Hook-ID", "")
    target = request.headers.get("X-GitHub-Hook-Installation-Target-Type", "")
    if target == "integration":
        return "/app/hook"
    whose = repository
    if target == "organization":
        organization = payload.get("organization")
        whose = organization.get("login") if isinstance(organization, dict) else None
    if target not in TARGETS or not NUMBER_FORM.fullmatch(number):
        return None
    plain = isinstance(whose, str) and re.fullmatch(r"[\w.-]{1,100}(/[\w.-]{1,100})?", whose)
    return TARGETS[target].format(whose, number) if plain else None


def _unsigned(door: WebhookDoor, why: str) -> NoReturn:
    door.refused("signature")
    raise Problem(HTTPStatus.UNAUTHORIZED, why, headers={"WWW-Authenticate": "GitHub-Signature"})
