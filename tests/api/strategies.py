"""What anybody might send: JSON of any shape, bodies that are nearly right, queries."""

import copy
import json
from typing import Any
from urllib.parse import quote_from_bytes

from hypothesis import strategies as st

from tests.api.conftest import body

FULL = body(
    labels=["linux"],
    priority=50,
    timeout_seconds=60,
    workflow="w",
    job_name="j",
    run_id=1,
    run_attempt=1,
    execution={
        "env": {"A": "x"},
        "resources": {"cpus": 1.5, "memory_mb": 64, "pids": 9, "disk_mb": 10, "tmpfs_mb": 1},
        "network": "isolated",
        "services": [
            {
                "name": "db",
                "image": "x:1",
                "env": {},
                "command": ["a"],
                "ready": {"command": ["b"], "interval_seconds": 0.5, "timeout_seconds": 9},
            }
        ],
    },
)

texts = st.text(st.characters(), max_size=20) | st.sampled_from(
    ["\0", "\ud800", "\udfff", "\ufeff", "\u202e", "A=B", "a\nb", "💩" * 70, "x" * 256, "İ", ""]
)
numbers = (
    st.integers()
    | st.floats()
    | st.sampled_from([2**31, 2**63 - 1, 2**63, 2**64, -(2**63) - 1, 10**400, 1e308, -0.0, 5e-324])
)
scalars = st.none() | st.booleans() | numbers | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of everything in a value."""
    found = [path] if path else []
    inner: Any = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    for key, each in inner:
        found += places(each, (*path, key))
    return found


@st.composite
def nearly_right(draw: st.DrawFn) -> Any:
    """A whole body, in which a few things are replaced, removed or added."""
    made = copy.deepcopy(FULL)
    for _ in range(draw(st.integers(0, 3))):
        path = draw(st.sampled_from(places(made) or [("external_id",)]))
        holder: Any = made
        for key in path[:-1]:
            holder = holder[key]
        match draw(st.sampled_from(["replace", "replace", "remove", "add"])):
            case "replace":
                holder[path[-1]] = draw(values)
            case "remove":
                del holder[path[-1]]
            case _ if isinstance(holder, dict):
                holder[draw(texts)] = draw(values)
            case _:
                holder.append(draw(values))
    return made


def text_of(value: Any, *, escaped: bool) -> bytes:
    return json.dumps(value, ensure_ascii=escaped).encode("utf-8", "surrogatepass")


@st.composite
def deep(draw: st.DrawFn) -> bytes:
    depth = draw(st.sampled_from([10, 199, 200, 201, 1000, 50_000]))
    opening, closing = draw(
        st.sampled_from([(b"[", b"]"), (b'{"a":', b"}"), (b'{"labels":[', b"]}")])
    )
    closed = draw(st.booleans())
    return opening * depth + (b"1" + closing * depth if closed else b"")


bodies = st.one_of(
    st.builds(text_of, nearly_right(), escaped=st.booleans()),
    st.builds(text_of, nearly_right(), escaped=st.booleans()),
    st.builds(text_of, values, escaped=st.booleans()),
    deep(),
    st.binary(max_size=60),
)

words = st.sampled_from(
    [
        "status",
        "repository",
        "cursor",
        "limit",
        "follow",
        "attempt",
        "queued",
        "completed",
        "true",
        "1",
        "-1",
    ]
)
raw_words = st.binary(max_size=12).map(lambda raw: quote_from_bytes(raw, safe="&=;+%?/:@"))
queries = st.lists(
    st.tuples(words | raw_words, st.sampled_from(["=", "", "=="]), words | raw_words).map("".join),
    max_size=4,
).map("&".join)
names = st.binary(min_size=1, max_size=30).map(lambda raw: quote_from_bytes(raw, safe="%;:@$"))
