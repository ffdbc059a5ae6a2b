"""Every numbered sentence of docs/semantics.md has a test that names it, and the reverse."""

import re
from pathlib import Path

HERE = Path(__file__).parent
SENTENCES = HERE.parents[2] / "docs" / "semantics.md"


def test_each_sentence_has_a_test() -> None:
    promised = [int(number) for number in re.findall(r"\*\*S(\d+)\*\*", SENTENCES.read_text())]
    tested = {
        int(number)
        for path in HERE.glob("test_*.py")
        for name in re.findall(r"def (test_\w+)", path.read_text())
        for number in re.findall(r"(?<=_s)\d+(?=_)", name)
    }
    assert promised == list(range(1, len(promised) + 1))
    assert set(promised) == tested
