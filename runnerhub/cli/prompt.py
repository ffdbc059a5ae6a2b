"""The console's prompt: history that lasts, and completion that asks the node for names."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory

from runnerhub.console.client import Client
from runnerhub.console.grammar import COMMANDS
from runnerhub.console.protocol import ConsoleError
from runnerhub.console.show import HIDDEN

HISTORY_NAME = "console-history"


def lines_at_prompt(folder: Path, client: Client) -> Iterator[str]:
    """Yield what is typed, until Ctrl-D. Ctrl-C empties the line."""
    session: PromptSession[str] = PromptSession(
        history=history(folder), completer=Names(client), complete_while_typing=False
    )
    while True:
        try:
            yield session.prompt("runnerhub> ")
        except KeyboardInterrupt:
            continue
        except EOFError:
            return


def history(folder: Path) -> History:
    """Return the history kept in the data folder, 0600; none that lasts where that cannot be."""
    path = folder / HISTORY_NAME
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600))
    except OSError:
        return InMemoryHistory()
    return FileHistory(path)


class Names(Completer):
    """Completes commands, options, and names of actors, hosts and jobs."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        """Yield what may stand where the cursor is."""
        del complete_event
        before = document.text_before_cursor
        *earlier, begun = before.split(" ")
        for word in self.candidates(earlier, begun):
            yield Completion(word, start_position=-len(begun))

    def candidates(self, earlier: list[str], begun: str) -> list[str]:
        """Return the words that may follow others and begin so."""
        words = [word for word in earlier if word]
        if not words:
            names = (*COMMANDS, "help", "exit")
            return [name for name in names if name not in HIDDEN and name.startswith(begun)]
        command = COMMANDS.get(words[0])
        if command is None:
            return []
        if begun.startswith("--"):
            return [f"--{key}" for key in command.options or {} if f"--{key}".startswith(begun)]
        option = (command.options or {}).get(words[-1].removeprefix("--"))
        if words[-1].startswith("--") and option is not None and option.default is not False:
            return [each for each in option.choices if each.startswith(begun)]
        return self._names(command.subject, begun)

    def _names(self, of: str | None, begun: str) -> list[str]:
        if of is None:
            return []
        try:
            for _ in self._client.call("names", {"prefix": begun, "of": of}):
                pass
        except ConsoleError:
            return []
        return [str(name) for name in self._client.result.get("names", ())]
