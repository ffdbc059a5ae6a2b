"""Which handler answers what, and which error is which status."""

import re
from collections.abc import Mapping
from urllib.parse import unquote

from runnerhub.ports.errors import (
    EngineRefused,
    ImageMissing,
    ImagePullFailed,
    NameConflict,
    PortError,
    SubnetConflict,
)
from runnerhub.sim.refusals import BadParameter, Forbidden, NotFound, WrongState
from runnerhub.sim.wire import containers, images, networks, streams, system
from runnerhub.sim.wire.calls import Handler
from runnerhub.sim.wire.execs import Execs

_VERSION = re.compile(r"/v1\.\d+(?=/)")

# "*" stands for a name; an image's may hold slashes.
_ROUTES: Mapping[tuple[str, ...], Handler] = {
    ("GET", "_ping"): system.ping,
    ("GET", "version"): system.version,
    ("GET", "info"): system.info,
    ("GET", "volumes"): system.volumes,
    ("GET", "events"): streams.events,
    ("GET", "containers", "json"): containers.listing,
    ("POST", "containers", "create"): containers.create,
    ("POST", "containers", "prune"): containers.prune,
    ("DELETE", "containers", "*"): containers.remove,
    ("GET", "containers", "*", "json"): containers.inspect,
    ("GET", "containers", "*", "logs"): streams.logs,
    ("POST", "containers", "*", "attach"): streams.attach,
    ("POST", "containers", "*", "start"): containers.start,
    ("POST", "containers", "*", "stop"): containers.stop,
    ("POST", "containers", "*", "restart"): containers.restart,
    ("POST", "containers", "*", "kill"): containers.kill,
    ("POST", "containers", "*", "wait"): containers.wait,
    ("POST", "containers", "*", "update"): containers.update,
    ("POST", "containers", "*", "resize"): containers.nothing,
    ("GET", "images", "json"): images.listing,
    ("POST", "images", "create"): images.create,
    ("GET", "images", "*", "json"): images.inspect,
    ("DELETE", "images", "*"): images.remove,
    ("GET", "networks"): networks.listing,
    ("POST", "networks", "create"): networks.create,
    ("GET", "networks", "*"): networks.inspect,
    ("DELETE", "networks", "*"): networks.remove,
    ("POST", "networks", "*", "connect"): networks.connect,
    ("POST", "networks", "*", "disconnect"): networks.disconnect,
}

_STATUS: tuple[tuple[type[PortError], int], ...] = (
    (NotFound, 404),
    (ImageMissing, 404),
    (NameConflict, 409),
    (WrongState, 409),
    (BadParameter, 400),
    (Forbidden, 403),
    (SubnetConflict, 403),
    (ImagePullFailed, 500),
    (EngineRefused, 500),
)


def status_of(error: Exception) -> int:
    """Return the status that says an error."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


class Routes:
    """The handlers of one engine."""

    def __init__(self, execs: Execs) -> None:
        routes = {
            **_ROUTES,
            ("POST", "containers", "*", "exec"): execs.create,
            ("POST", "exec", "*", "start"): execs.start,
            ("POST", "exec", "*", "resize"): execs.resize,
            ("GET", "exec", "*", "json"): execs.inspect,
        }
        self._fixed = {
            (method, f"/{'/'.join(words)}"): handler
            for (method, *words), handler in routes.items()
            if "*" not in words
        }
        # By method, kind and verb; "" for none.
        self._named = {
            (method, kind, "".join(verb)): handler
            for (method, kind, *rest), handler in routes.items()
            for star, *verb in [rest or [""]]
            if star == "*"
        }

    def find(self, method: str, path: str) -> tuple[Handler, str] | None:
        """Return the handler of a request, and the name in its path."""
        method = "GET" if method == "HEAD" else method
        if found := _VERSION.match(path):
            path = path[found.end() :]
        path = path.rstrip("/")
        if (handler := self._fixed.get((method, path))) is not None:
            return handler, ""
        _, slash, rest = path.partition("/")
        kind, _, name = rest.partition("/")
        if not slash or not name:
            return None
        verb = ""
        if "/" in name and method != "DELETE":
            name, _, verb = name.rpartition("/")
        handler = self._named.get((method, kind, verb))
        return None if handler is None else (handler, unquote(name) if "%" in name else name)
