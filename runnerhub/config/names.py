"""What names of hosts, pools and scale sets look like, and how a wrong setting is said."""

from pydantic import ValidationError

NAME_FORM = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$"


def first_problem(error: ValidationError) -> str:
    """Return the first of what is wrong, in one line."""
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"])
    words = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        words = "is no setting of RunnerHub"
    return f"{where}: {words}" if where else words
