"""A guest of the console who never rests: `python -m bench.console_guest FOLDER SECONDS`.

Prints the seconds that each of its commands took, by command, as JSON.
"""

import json
import random
import sys
from collections import defaultdict
from itertools import cycle
from pathlib import Path
from time import perf_counter
from typing import Any

from runnerhub.console.client import Client

COMMANDS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("tree", "tree", {}),
    ("tree_all", "tree", {"all": True}),
    ("actor", "actor", {"seconds": 0}),
    ("top", "top", {"count": 1, "interval": 0.2}),
)


def main(folder: str, seconds: float, actors: int) -> None:
    """Call command after command."""
    spent: dict[str, list[float]] = defaultdict(list)
    give_up_at = perf_counter() + seconds
    with Client(Path(folder)) as client:
        for label, command, args in cycle(COMMANDS):
            if perf_counter() > give_up_at:
                break
            if command == "actor":
                args["actor"] = f"job-{random.randrange(actors)}"  # noqa: S311 - no secret
            began = perf_counter()
            for _ in client.call(command, args):
                pass
            spent[label].append(perf_counter() - began)
    print(json.dumps(spent))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))
