"""The frames of a log stream, in pieces of any size."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runnerhub.adapters.docker.frames import (
    BrokenFrame,
    Demultiplexer,
    fixed_width,
    unix_seconds,
)
from runnerhub.model.logs import LogEntry

AT = "2026-01-02T03:04:05.000000006Z"

entries = st.builds(
    LogEntry, st.sampled_from(["stdout", "stderr"]), st.just(AT), st.binary(max_size=300)
)


def frame(entry: LogEntry) -> bytes:
    body = f"{entry.at} ".encode() + entry.data
    return bytes([1 if entry.stream == "stdout" else 2, 0, 0, 0]) + len(body).to_bytes(4) + body


@given(st.lists(entries), st.lists(st.integers(0, 5000)))
def test_any_cut_gives_the_same_entries(wanted: list[LogEntry], cuts: list[int]) -> None:
    stream = b"".join(frame(entry) for entry in wanted)
    demultiplexer = Demultiplexer()
    found: list[LogEntry] = []
    for start, end in pairwise(
        sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    ):
        found += demultiplexer.feed(stream[start:end])
    assert found == wanted
    assert not demultiplexer.is_inside_frame


@given(entries, st.data())
def test_a_cut_frame_is_noticed(entry: LogEntry, data: st.DataObject) -> None:
    whole = frame(entry)
    demultiplexer = Demultiplexer()
    assert demultiplexer.feed(whole[: data.draw(st.integers(1, len(whole) - 1))]) == []
    assert demultiplexer.is_inside_frame


@pytest.mark.parametrize(
    "data",
    [
        b"\x03\0\0\0\0\0\0\0",
        b"\x01\0\x01\0\0\0\0\0",
        b"\x01\0\0\0\0\0\0\x05hello",
        b"\x01\0\0\0\0\0\0\x06hello ",
        b"HTTP/1.1 500",
    ],
)
def test_what_is_no_frame_is_refused(data: bytes) -> None:
    with pytest.raises(BrokenFrame):
        Demultiplexer().feed(data)


moments = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1))  # noqa: DTZ001


@given(st.lists(st.tuples(moments, st.integers(0, 999), st.integers(-14, 14)), min_size=2))
def test_text_order_is_time_order(times: list[tuple[datetime, int, int]]) -> None:
    written: list[tuple[tuple[datetime, int], str]] = []
    for moment, nanoseconds, hours in times:
        fraction = f"{moment.microsecond:06d}{nanoseconds:03d}".rstrip("0")
        local = moment.replace(microsecond=0) + timedelta(hours=hours)
        zone = f"{'-' if hours < 0 else '+'}{abs(hours):02d}:00" if hours else "Z"
        point = f".{fraction}" if fraction else ""
        text = fixed_width(f"{local.isoformat()}{point}{zone}") if local.year >= 1970 else None
        if text is not None:
            assert len(text) == 30
            assert fixed_width(text) == text
            written.append(((moment, nanoseconds), text))
            seconds = int(moment.replace(microsecond=0, tzinfo=UTC).timestamp())
            assert unix_seconds(text) == f"{seconds}.{moment.microsecond:06d}{nanoseconds:03d}"
    assert sorted(written) == sorted(written, key=lambda each: each[1])


@pytest.mark.parametrize("text", ["", "now", "2026-01-02", "2026-01-02T03:04:05"])
def test_what_is_no_timestamp_is_refused(text: str) -> None:
    with pytest.raises(BrokenFrame):
        fixed_width(text)
