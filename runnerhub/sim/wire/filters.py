"""The `filters` parameter of the API's listings: a JSON object of lists, or of sets."""

import json
from collections.abc import Callable, Mapping, Sequence

from runnerhub.sim.refusals import BadParameter
from runnerhub.sim.world import has_label

Filters = Mapping[str, Sequence[str]]


def parse_filters(text: str | None) -> Filters:
    """Read the parameter.

    Raises:
        BadParameter: it is none.
    """
    try:
        found = json.loads(text or "{}")
        return {key: [str(value) for value in values] for key, values in found.items()}
    except (ValueError, AttributeError, TypeError):
        raise BadParameter(f"invalid filter {text!r}") from None


def matches(filters: Filters, ways: Mapping[str, Callable[[str], bool]]) -> bool:
    """Tell whether something passes: each filter by one of its values, labels by all.

    Args:
        filters: those of the request.
        ways: how to hold a value of a filter against the thing; other filters are no matter.
    """
    for key, values in filters.items():
        holds = ways.get(key)
        if holds is None or not values:
            continue
        if not (all if key == "label" else any)(holds(value) for value in values):
            return False
    return True


def by_label(labels: Mapping[str, str]) -> Callable[[str], bool]:
    """Return how to hold a value of the filter `label` against labels."""
    return lambda wanted: has_label(labels, wanted)
