"""Wrong usage, told like every other error: in one line, with where to look."""

import sys
from typing import Any

import typer
from typer.core import TyperGroup

from runnerhub.cli.client import tell

# Everything that is wrong with a command line derives from it, whichever click typer stands on.
UsageError: Any = typer.BadParameter.__mro__[1]


class OneLine(TyperGroup):
    """The commands; what is wrong with their usage is one line on standard error, exit code 2."""

    def main(self, *args: Any, **extra: Any) -> Any:  # noqa: ANN401 - handed on as they are
        """Run a command; end the process with its exit code unless `standalone_mode` is off."""
        standalone_mode = extra.get("standalone_mode", True)
        try:
            code = super().main(*args, **(extra | {"standalone_mode": False}))
        except UsageError as error:
            if not standalone_mode:
                raise
            if type(error).__name__ != "NoArgsIsHelpError":  # a bare `runnerhub` was shown the help
                where = error.ctx.command_path if error.ctx else "runnerhub"
                tell(f"{error.format_message().rstrip('.')}; see `{where} --help`")
            sys.exit(error.exit_code)
        if not standalone_mode:
            return code
        sys.exit(code or 0)
