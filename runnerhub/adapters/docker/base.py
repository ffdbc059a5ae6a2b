"""What every part of the engine is made of: its clients, and the answers that all ask for."""

import re
from typing import Any, cast
from urllib.parse import quote

from runnerhub.adapters.docker.followed import Followed
from runnerhub.adapters.docker.http import Http
from runnerhub.adapters.docker.link import TlsFiles
from runnerhub.adapters.docker.rare import Rare
from runnerhub.adapters.docker.refusal import MISSING, Refused
from runnerhub.ports.errors import EngineRefused
from runnerhub.runtime import Bridge

INFO_SECONDS = 5.0
READ_SECONDS = 10.0
WRITE_SECONDS = 30.0
POLL_SECONDS = 0.05
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]*")


class Part:
    """One engine, without what it can do."""

    def __init__(self, bridge: Bridge, url: str, tls: TlsFiles | None) -> None:
        self._bridge = bridge
        self._http = Http(url, tls)
        self._rare = Rare(url, tls)
        self._followed = Followed()

    async def _ask(self, method: str, path: str, seconds: float, **request: Any) -> Any:  # noqa: ANN401
        """Send a request; what the engine refuses is an error of the port."""
        try:
            return await self._http.json(method, path, seconds, **request)
        except Refused as refused:
            raise refused.as_error() from None

    async def _find(self, path: str) -> dict[str, Any] | None:
        """Look something up; None when there is no such thing."""
        try:
            found = await self._http.json("GET", path, READ_SECONDS)
        except Refused as refused:
            if refused.status == MISSING:
                return None
            raise refused.as_error() from None
        return cast("dict[str, Any]", found)


def quoted(name: str) -> str:
    """Return a name as a part of a path. Raises EngineRefused where it can be none."""
    if name in {"", ".", ".."}:
        raise EngineRefused(f"{name!r} is no name")
    return quote(name, safe="")


def is_image(name: str) -> bool:
    """Tell whether a name can be one of an image."""
    return _IMAGE.fullmatch(name) is not None and ".." not in name
