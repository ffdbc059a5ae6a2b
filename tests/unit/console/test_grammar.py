import pytest

from runnerhub.console.grammar import COMMANDS, check, parse
from runnerhub.console.protocol import BadCommand


@pytest.mark.parametrize(
    ("line", "command", "args"),
    [
        ("tree", "tree", {}),
        ("tree hosts --all", "tree", {"actor": "hosts", "all": True}),
        ("actor 'host:h 1' --seconds 0.5", "actor", {"actor": "host:h 1", "seconds": 0.5}),
        ("top --count=3 --by time", "top", {"count": 3, "by": "time"}),
        ("  trace job_1 --seconds 60 ", "trace", {"job": "job_1", "seconds": 60.0}),
    ],
)
def test_a_line_becomes_a_command(line: str, command: str, args: dict[str, object]) -> None:
    assert parse(line) == (command, args)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("", "no command"),
        ("nope", "there is no command 'nope'"),
        ("actor", "actor needs a name; usage: actor ACTOR [--seconds N]"),
        ("actor a b", "'b' is too much"),
        ("top x", "'x' is too much"),
        ("tree --deep", "tree has no --deep"),
        ("top --by", "--by needs a value"),
        ("top --by age", "--by must be one of messages, time, waiting"),
        ("top --count 1.5", "--count must be a whole number"),
        ("top --interval 0", "--interval must be a number from 0.2 to 60"),
        ("trace j --seconds nan", "--seconds must be a number"),
        ("trace j --seconds -1", "--seconds must be a number from 0 to 3600"),
        ("actor 'a", "no closing quotation"),
        (f"actor {'a' * 1000}", "the actor must be a name"),
    ],
)
def test_a_bad_line_says_what_is_wrong_with_it(line: str, why: str) -> None:
    with pytest.raises(BadCommand) as caught:
        parse(line)
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("command", "args"),
    [
        ("tree", {"all": "yes"}),
        ("tree", {"actor": 7}),
        ("actor", {"actor": None}),
        ("top", {"limit": True}),
        ("top", {"limit": 1000}),
        ("top", {"colour": "red"}),
        ("top", {"by": ["messages"]}),
        ("trace", {"job": "j", "seconds": 1e300}),
    ],
)
def test_the_node_checks_what_a_program_says(command: str, args: dict[str, object]) -> None:
    with pytest.raises(BadCommand):
        check(command, args)


def test_defaults_are_filled_in() -> None:
    assert check("tree", {}) == {"actor": None, "all": False}
    assert check("top", {"limit": 3}) == {
        "interval": 1.0,
        "count": 0,
        "by": "messages",
        "limit": 3,
    }


def test_every_command_says_how_it_is_called() -> None:
    assert COMMANDS["top"].usage("top") == (
        "top [--interval N] [--count N] [--by messages|time|waiting] [--limit N]"
    )
    assert all(command.help for command in COMMANDS.values())
