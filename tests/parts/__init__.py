"""Real servers for the tests: private, started by us, ended by us, leaving nothing."""

from tests.parts.needs import require

__all__ = ["require"]
