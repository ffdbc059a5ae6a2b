"""Say what a message is, in one short line that costs little, whatever the message holds.

No code of the message runs: a `__repr__` may be slow, endless, or tell a secret. What lies deeper
than two dataclasses, and what stands in a mapping or a sequence, is counted and not shown; nor is
a field with `repr=False`, or with None in it.
"""

from collections import deque
from dataclasses import fields, is_dataclass
from enum import Enum

LONGEST = 300
LONGEST_TEXT = 80
LONGEST_NUMBER_BITS = 64
DEPTH = 2
MOST_FIELDS = 12

_SIZED = (tuple, list, dict, set, frozenset, deque)


def describe(value: object) -> str:
    """Return one line of at most 300 characters."""
    words = _describe(value, DEPTH)
    return words if len(words) <= LONGEST else f"{words[: LONGEST - 1]}…"


def _describe(value: object, depth: int) -> str:
    name = type(value).__name__
    match value:
        case Enum():
            words = f"{name}.{value.name}"
        case None | bool() | float():
            words = str(value)
        case int():
            small = value.bit_length() <= LONGEST_NUMBER_BITS
            words = str(value) if small else "<a large number>"
        case str():
            words = repr(f"{value[:LONGEST_TEXT]}{'…' if len(value) > LONGEST_TEXT else ''}")
        case bytes() | bytearray():
            words = f"<{len(value)} bytes>"
        case _:
            words = _describe_whole(value, name, depth)
    return words


def _describe_whole(value: object, name: str, depth: int) -> str:
    if is_dataclass(value) and not isinstance(value, type) and depth > 0:
        return f"{name}({_fields(value, depth - 1)})"
    return f"<{name} of {len(value)}>" if isinstance(value, _SIZED) else f"<{name}>"


def _fields(value: object, depth: int) -> str:
    names = [each.name for each in fields(value) if each.repr]  # type: ignore[arg-type]
    held = {name: getattr(value, name, None) for name in names[:MOST_FIELDS]}
    parts = [f"{k}={_describe(v, depth)}" for k, v in held.items() if v is not None]
    return ", ".join([*parts, *(["…"] if len(names) > MOST_FIELDS else [])])
