"""The blob that a just-in-time runner is configured with: base64 of {file: base64 of its text}."""

import base64
import binascii
import json
from typing import Any

from runnerhub.sim.github.core import Core
from runnerhub.sim.github.things import Runner

_RSA_PARTS = {
    "d": 256, "dp": 128, "dq": 128, "inverseQ": 128, "modulus": 256, "p": 128, "q": 128
}  # fmt: skip


def make_blob(core: Core, runner: Runner) -> str:
    """Return the blob of a runner, in the shape that the real runner unpacks.

    The RSA numbers have the right sizes and are no key: nobody here signs with them.
    """
    settings: dict[str, Any] = {
        "AgentId": str(runner.id),
        "AgentName": runner.name,
        "DisableUpdate": "True",
        "Ephemeral": "True",
        "PoolId": str(runner.group.id),
        "PoolName": runner.group.name,
        "ServerUrl": f"{core.url}/",
        "ServerUrlV2": f"{core.url}/_sim/runner/",
        "UseV2Flow": "True",
        "GitHubUrl": f"{core.url}/{_path(runner)}",
        "WorkFolder": runner.work_folder,
    }
    credentials: dict[str, Any] = {
        "Scheme": "OAuth",
        "Data": {
            "ClientId": runner.secret,
            "AuthorizationUrl": f"{core.url}/_apis/oauth2/token",
            "RequireFipsCryptography": "True",
        },
    }
    key: dict[str, Any] = {"exponent": "AQAB"} | {
        name: core.noise(size) for name, size in _RSA_PARTS.items()
    }
    files = {".runner": settings, ".credentials": credentials, ".credentials_rsaparams": key}
    return _encode({name: _encode(content) for name, content in files.items()})


def read_blob(blob: str) -> tuple[int, str] | None:
    """Return a blob's runner id and secret; None when it is no such blob."""
    try:
        files = _decode(blob)
        settings, credentials = _decode(files[".runner"]), _decode(files[".credentials"])
        return int(settings["AgentId"]), str(credentials["Data"]["ClientId"])
    except (KeyError, TypeError, ValueError, binascii.Error):
        return None


def _path(runner: Runner) -> str:
    name = runner.scope.name
    return f"enterprises/{name}" if runner.scope.kind == "enterprise" else name


def _encode(content: dict[str, Any]) -> str:
    return base64.b64encode(json.dumps(content).encode()).decode()


def _decode(text: str) -> dict[str, Any]:
    found = json.loads(base64.b64decode(text, validate=True).decode("utf-8-sig"))
    if not isinstance(found, dict):
        raise TypeError("no object")
    return found
