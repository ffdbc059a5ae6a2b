"""Requests to the simulated GitHub that a configuration names."""

from __future__ import annotations

import base64
import http.client
import json
import time
import urllib.parse
from typing import Any

_ANSWER_SECONDS = 15.0
_LONGEST_PAUSE = 10.0
_SERVER_ERROR = 500


class Gone(Exception):
    """The runner is deregistered: nothing is left to do."""


class Taken(Exception):
    """Somebody else is this runner, or the job is not its any more."""


class Unreachable(Exception):
    """It did not answer for too long."""


def read_blob(blob: str) -> tuple[str, str]:
    """Return the address that a blob names, and the runner's name.

    Raises:
        ValueError: it is no such blob.
    """
    try:
        files = json.loads(base64.b64decode(blob, validate=True))
        settings = json.loads(base64.b64decode(files[".runner"]).decode("utf-8-sig"))
        return str(settings["ServerUrlV2"]), str(settings["AgentName"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError("that is no configuration of a just-in-time runner") from error


class Hub:
    """One simulated GitHub. Safe to use from several threads.

    Args:
        url: below it everything a runner asks for is found.
        patience: how many seconds it may be away before a request gives up.

    Attributes:
        session: shown with every request, once there is one.
        patience: as given; may be changed.
    """

    def __init__(self, url: str, patience: float = 600.0) -> None:
        self._url = urllib.parse.urlsplit(url if url.endswith("/") else url + "/")
        self.patience = patience
        self.session = ""

    def ask(self, method: str, path: str, body: object = None, wait: float = 0.0) -> dict[str, Any]:
        """Ask for something and return the answer, {} for none; an outage is waited out.

        Args:
            method: GET, POST or DELETE.
            path: below the address.
            body: a text, or anything that JSON can say.
            wait: how many seconds the answer may be held back on purpose.

        Raises:
            Gone, Taken, Unreachable: as they say.
        """
        give_up_at = time.monotonic() + self.patience
        pause = 0.2
        while True:
            try:
                status, content = self._once(method, path, body, wait)
            except (OSError, http.client.HTTPException) as error:
                status, content = _SERVER_ERROR, str(error).encode()
            if status < _SERVER_ERROR:
                break
            if time.monotonic() + pause > give_up_at:
                raise Unreachable(content.decode("utf-8", "replace"))
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        if status in (401, 404):
            raise Gone(content.decode("utf-8", "replace"))
        if status == http.client.CONFLICT:
            raise Taken(content.decode("utf-8", "replace"))
        if status >= http.client.BAD_REQUEST:
            msg = f"{method} {path}: {status} {content[:500]!r}"
            raise ValueError(msg)
        return dict(json.loads(content)) if content else {}

    def _once(self, method: str, path: str, body: object, wait: float) -> tuple[int, bytes]:
        secure = self._url.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(self._url.netloc, timeout=_ANSWER_SECONDS + wait)
        headers = {"Authorization": "Bearer " + self.session} if self.session else {}
        content = None
        if isinstance(body, str):
            content = body.encode("utf-8", "replace")
        elif body is not None:
            content = json.dumps(body).encode()
        try:
            connection.request(method, self._url.path + path, body=content, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()
