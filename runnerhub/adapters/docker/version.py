"""Which version of its API is spoken with an engine."""

from typing import Any

from runnerhub.ports.errors import EngineUnavailable

OLDEST, NEWEST = (1, 41), (1, 47)


def negotiate(answer: dict[str, Any]) -> str:
    """Return the version, as in a path, by the answer of `GET /version`.

    It is the newest that we know of; an engine that no longer speaks that names its oldest.

    Raises:
        EngineUnavailable: the engine is too old.
    """
    newest = _numbers(str(answer["ApiVersion"]))
    oldest = _numbers(str(answer.get("MinAPIVersion") or "1.12"))
    if newest < OLDEST:
        words = f"The engine speaks API {answer['ApiVersion']}; {written(OLDEST)} is needed"
        raise EngineUnavailable(words)
    return written(max(min(newest, NEWEST), oldest))


def written(numbers: tuple[int, int]) -> str:
    """Write a version as in a path."""
    return f"v{numbers[0]}.{numbers[1]}"


def _numbers(version: str) -> tuple[int, int]:
    major, _, minor = version.partition(".")
    return int(major), int(minor)
