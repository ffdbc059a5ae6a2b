"""Answers as text for people. What comes from jobs and hosts is text, and moves no cursor."""

from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import Any

from runnerhub.console.grammar import COMMANDS

Answer = dict[str, Any]

HIDDEN = ("names",)
CLOCK = slice(11, 23)  # of a moment in RFC 3339: the time of day, to the millisecond


def lines_of(command: str, part: Answer) -> Iterator[str]:
    """Yield the lines of one part of an answer."""
    for line in _part_lines(command, part):
        yield _tame(line)


def result_lines(command: str, result: Answer) -> Iterator[str]:
    """Yield the lines of a result."""
    for line in _result_lines(command, result):
        yield _tame(line)


def help_lines() -> Iterator[str]:
    """Yield what `help` says."""
    usages = {
        command.usage(name): command.help
        for name, command in COMMANDS.items()
        if name not in HIDDEN
    }
    usages |= {"help": "this", "exit": "leave; so does Ctrl-D"}
    for usage, words in usages.items():
        yield usage
        yield f"    {words}"


def _tame(line: str) -> str:
    return "".join(each if each.isprintable() else "�" for each in line)


def _part_lines(command: str, part: Answer) -> Iterator[str]:
    match command:
        case "tree":
            yield from map(_tree_row, part["rows"])
        case "top":
            yield from _top(part)
        case "trace":
            yield from _trace(part)
        case "restart":
            yield f"restarting {', '.join(part['restarting'])} …"


def _result_lines(command: str, result: Answer) -> Iterator[str]:
    match command:
        case "tree":
            more = ", and more" if result["truncated"] else ""
            yield f"{result['actors']} actors{more}"
        case "actor":
            yield from _actor(result)
        case "trace":
            missed = f", {result['missed']} notes missed" if result["missed"] else ""
            yield (
                f"{result['message_count']} messages and {result['event_count']} events in "
                f"{result['seconds']:g} s{missed}; {result['ended']}"
            )
        case "restart":
            yield f"restarted {', '.join(result['restarted'])}"
        case "drain" | "undrain":
            host = result["host"]
            detail = f" ({host['detail']})" if host["state"] not in ("ready", "draining") else ""
            running = f"{len(host['running'])} of {host['slots']} slots taken"
            yield f"{host['name']} is {host['state']}{detail}; {running}"
        case "names":
            yield from result["names"]


def _tree_row(row: Answer) -> str:
    indent = "  " * row["level"]
    if "more" in row:
        phases = ", ".join(f"{count} {phase}" for phase, count in row["phases"].items())
        words = [f"… {row['more']} more: {phases}"]
    else:
        kind = "" if row["kind"] == row["name"] else f" ({row['kind']})"
        words = [f"{row['name']}{kind}", row["phase"], f"handled {row['handled']}"]
    if row["waiting"]:
        of = f"/{row['capacity']}" if "capacity" in row else ""
        words.append(f"waiting {row['waiting']}{of}")
    if row["restarts"]:
        words.append(f"restarts {row['restarts']}")
    return f"{indent}{'  '.join(words)}"


def _top(part: Answer) -> Iterator[str]:
    seconds = part["seconds"] or 1.0
    rate, busy = part["messages"] / seconds, part["handling_seconds"] / seconds
    yield f"{part['actors']} actors, {rate:.0f} messages/s, handling {busy:.1%} of the time"
    yield f"{'MESSAGES/S':>10}  {'TIME':>6}  {'EACH':>9}  {'WAITING':>7}  ACTOR"
    for row in part["rows"]:
        each = row["handling_seconds"] / row["messages"] * 1000 if row["messages"] else 0.0
        yield (
            f"{row['messages'] / seconds:10.1f}  {row['handling_seconds'] / seconds:6.1%}  "
            f"{each:6.2f} ms  {row['waiting']:7}  {row['name']} ({row['kind']})"
        )


def _trace(part: Answer) -> Iterator[str]:
    if "job" in part:
        yield f"{part['job']}: {part['phase']}, {part['explanation']}"
    if "trouble" in part:
        yield f"the ledger cannot be read just now: {part['trouble']}"
    for event in part.get("events", ()):
        data = ", ".join(f"{key}={value}" for key, value in event["data"].items())
        yield f"{event['at'][CLOCK]}  event    {event['kind']}  {data}".rstrip()
    for note in part.get("notes", ()):
        yield f"{note['at'][CLOCK]}  {_note(note)}"


def _note(note: Answer) -> str:
    spent = note["handling_seconds"]
    words = note["text"] if spent is None else f"in {spent * 1000:.2f} ms"
    return f"{note['what']:<8} {words}".rstrip()


def _actor(actor: Answer) -> Iterator[str]:
    mailbox = actor["mailbox"]
    yield f"{actor['name']} ({actor['kind']})  {actor['phase']}"
    yield f"  supervisor  {actor['supervisor'] or 'none'}, restart {actor['restart']}"
    yield f"  restarts    {actor['restarts']}; alive for {actor['age_seconds']:.1f} s"
    yield (
        f"  mailbox     {mailbox['depth']} of {mailbox['capacity']} waiting, "
        f"{mailbox['senders_waiting']} senders wait for room; "
        f"{mailbox['received']} taken in {actor['handling_seconds'] * 1000:.1f} ms, "
        f"{mailbox['refused']} refused"
    )
    if actor["children"]:
        yield f"  children    {actor['children']}"
    for key, value in actor["facts"].items():
        if value not in (None, "", [], ()):
            yield f"  {key:<11} {', '.join(map(str, value)) if isinstance(value, list) else value}"
    yield from _section("waiting", actor["waiting"])
    yield from _section("recent", _recent(actor["recent"]))
    yield "  stack"
    for task in actor["stack"]:
        indent = "    " + "  " * task["level"]
        yield f"{indent}{task['task']}"
        for frame in task["frames"]:
            yield f"{indent}  {frame['file'].rpartition('site-packages/')[2]}:{frame['line']}"
            yield f"{indent}    {frame['function']}: {frame['code']}"


def _recent(notes: list[Answer]) -> Iterator[str]:
    """Yield a line for each message, with how long it was handled where that is over."""
    for note, following in zip_longest(notes, notes[1:]):
        if note["what"] == "handled":
            continue
        spent = following["handling_seconds"] if following else None
        words = "" if spent is None else f"  (in {spent * 1000:.2f} ms)"
        yield f"{note['seconds_ago']:6.1f} s ago  {_note(note)}{words}"


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    found = list(lines)
    yield f"  {title}{'' if found else '     none'}"
    for line in found:
        yield f"    {line}"
