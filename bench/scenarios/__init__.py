"""What can be measured: every module here is a scenario, named by its file.

It has a docstring whose first line is its help, `add_options(parser)` for options of its own, and
`run(options)`, which measures and returns figures.
"""

import argparse
import importlib
import pkgutil
from collections.abc import Sequence
from typing import Protocol, cast

from bench.result import Figure


class Scenario(Protocol):
    """What a module of this package offers."""

    __doc__: str | None

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add options of its own to the command line."""

    def run(self, options: argparse.Namespace) -> Sequence[Figure]:
        """Measure. Takes seconds to minutes."""


def names() -> list[str]:
    """Return the names of all scenarios, without a look into them."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def scenarios(*wanted: str) -> dict[str, Scenario]:
    """Return scenarios by name, all where none is named."""
    chosen = wanted or names()
    return {
        name: cast("Scenario", importlib.import_module(f"{__name__}.{name}")) for name in chosen
    }
