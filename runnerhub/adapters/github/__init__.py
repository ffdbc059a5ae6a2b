"""GitHub over HTTP, by httpx, natively on trio."""

from runnerhub.adapters.github.app import KeyFileError, RsaSigner
from runnerhub.adapters.github.transport import HttpTransport

__all__ = ["HttpTransport", "KeyFileError", "RsaSigner"]
