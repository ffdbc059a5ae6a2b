"""What somebody looked at, and whether it is as it should be."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: of the thing, the same each time.
        detail: what was found; where it is not ok, with the mend.
    """

    name: str
    ok: bool
    detail: str
