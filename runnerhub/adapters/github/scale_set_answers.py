"""What the scale-set service answers, read tolerantly."""

import json
from collections.abc import Mapping
from typing import Any

import httpx

from runnerhub.model.scale_set import read_statistics
from runnerhub.ports.scale_sets import ScaleSet, ScaleSetRefused, ScaleSetsUnavailable, Session

_MOST_WORDS = 300


def decode(answer: httpx.Response) -> Any:  # noqa: ANN401 - JSON
    """Return a body as JSON, a byte order mark before it or not; None when it is empty.

    Raises:
        ScaleSetsUnavailable: it is something else, a proxy's page say.
    """
    try:
        text = answer.content.decode("utf-8-sig").strip()
        return json.loads(text) if text else None
    except ValueError:
        raise ScaleSetsUnavailable("the scale-set service answers what is not JSON") from None


def refused(answer: httpx.Response) -> ScaleSetRefused:
    """Return the error that an answer 4xx is."""
    try:
        data = decode(answer)
    except ScaleSetsUnavailable:
        data = None
    given = data if isinstance(data, Mapping) else {}
    kind = str(given.get("typeName") or "").rpartition(".")[2].partition(",")[0]
    words = str(given.get("message") or answer.text[:_MOST_WORDS] or answer.reason_phrase)
    return ScaleSetRefused(answer.status_code, kind, words[:_MOST_WORDS])


def a_list(data: object) -> list[Any]:
    """Return the values of a list answer; none for an empty one."""
    value = data.get("value") if isinstance(data, Mapping) else None
    return value if isinstance(value, list) else []


def a_text(data: object, name: str) -> str:
    """Return a field that must be there. Raises ScaleSetsUnavailable."""
    value = data.get(name) if isinstance(data, Mapping) else None
    if not isinstance(value, str) or not value:
        raise ScaleSetsUnavailable(f"an answer of the scale-set service has no {name}")
    return value


def a_number(data: object, name: str) -> int:
    """Return a field that must be there. Raises ScaleSetsUnavailable."""
    value = data.get(name) if isinstance(data, Mapping) else None
    if not isinstance(value, int):
        raise ScaleSetsUnavailable(f"an answer of the scale-set service has no {name}")
    return value


def scale_set(data: object) -> ScaleSet:
    """Read a scale set."""
    given = data if isinstance(data, Mapping) else {}
    labels = given.get("labels")
    statistics = given.get("statistics", given.get("Statistics"))
    return ScaleSet(
        a_number(data, "id"),
        a_text(data, "name"),
        tuple(
            str(label.get("name"))
            for label in (labels if isinstance(labels, list) else ())
            if isinstance(label, Mapping)
        ),
        read_statistics(statistics),
    )


def session_of(data: object, scope: str, number: int) -> Session:
    """Read a session of a scale set."""
    given = data if isinstance(data, Mapping) else {}
    return Session(
        a_text(data, "sessionId"),
        scope,
        number,
        str(given.get("messageQueueUrl") or ""),
        a_text(data, "messageQueueAccessToken"),
        read_statistics(given.get("statistics")),
    )
