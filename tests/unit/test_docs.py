"""What the documents point to is there: other documents, headings in them, files of the project."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

from runnerhub.cli import app

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("bench/**/*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")
NAMED = re.compile(r"`((?:\w+/)+\w+\.(?:py|sh|toml|md|json|txt|yml))`")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
# Documents about the package leave its name out.
HOMES = (ROOT, ROOT / "runnerhub")


def anchors(page: Path) -> set[str]:
    """Return the anchors that a page's headings have where the project is hosted."""
    plain = (re.sub(r"[`*]", "", each) for each in HEADING.findall(FENCE.sub("", page.read_text())))
    return {re.sub(r"[^\w\- ]", "", each.strip().lower()).replace(" ", "-") for each in plain}


def broken(page: Path) -> Iterator[str]:
    text = page.read_text()
    for link in LINK.findall(text):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield link
    for name in NAMED.findall(text):
        if not any((home / name).exists() for home in HOMES):
            yield name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_points_to_is_there(page: Path) -> None:
    assert list(broken(page)) == []


def test_the_readme_leads_to_every_page() -> None:
    linked = set(LINK.findall((ROOT / "README.md").read_text()))
    pages = {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")}
    assert pages <= linked


def test_each_command_that_is_named_exists() -> None:
    code = re.compile(r"`([^`\n]+)`|^ {4,}(.+)$", re.MULTILINE)
    verbs = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = set(get_command(app).commands)  # type: ignore[attr-defined]
    for page in PAGES:
        for line in ("".join(found) for found in code.findall(page.read_text())):
            named = re.match(r"(?:\S+/)?(make|runnerhub) ([a-z][a-z-]*)\b(?!=)", line.strip())
            if named:
                there = verbs if named[1] == "make" else commands
                assert named[2] in there, f"{page.name}: {line.strip()}"
