"""What to do when a real part is missing on this machine."""

import importlib.util
import os
from typing import NoReturn

import pytest


def require(part: str, reason: str) -> NoReturn:
    """Skip the test with a printed reason; fail it when CI=true, where every part must exist."""
    message = f"{part}: {reason}"
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI must have this part. {message}", pytrace=False)
    pytest.skip(message)


def need_uvloop() -> None:
    """Require uvloop, an extra for users and a part of CI."""
    if importlib.util.find_spec("uvloop") is None:
        require("uvloop", "not installed; `pip install runnerhub[speed]` brings it")
