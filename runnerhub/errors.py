"""The root of every error that RunnerHub raises on purpose.

Each layer derives its own below it, with a sentence for a person as the message. Errors of
foreign libraries stop at the adapter that uses the library, and come out as one of these.
"""


class RunnerHubError(Exception):
    """Something RunnerHub knows the name of went wrong; `str(error)` explains it to a person."""
