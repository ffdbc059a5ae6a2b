"""What a command does not need is not loaded: it would be most of what a start takes."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("loads", "spares"),
    [
        ("runnerhub.cli", ("httpx", "pydantic", "quart", "runnerhub.service", "trio")),
        ("runnerhub.service.run", ("httpx", "quart", "runnerhub.sim")),
    ],
)
def test_it_loads_without(loads: str, spares: tuple[str, ...]) -> None:
    program = f"import sys, {loads}; print(*(name for name in {spares!r} if name in sys.modules))"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert answer.stdout.split() == []
