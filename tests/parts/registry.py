"""A private image registry (Debian's docker-registry), and a proxy that makes it slow or silent.

    FOLDER/config.yml   its configuration: blobs on disk, no credentials, an access log
    FOLDER/data         what was pushed
    FOLDER/log          the access log: every request that an engine made

It listens where the engine under test sees the outside of its namespace.
"""

import contextlib
import gzip
import hashlib
import io
import json
import os
import platform
import re
import shutil
import signal
import socket
import tarfile
import threading
import time
from collections.abc import Callable
from typing import Any, Self

import httpx

from tests.parts.servers import Server

_CHUNK = 4096
_SCHEMA = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG = "application/vnd.docker.container.image.v1+json"
_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_REQUEST = re.compile(r'"(GET|HEAD) (/v2/\S*)')
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def missing() -> str | None:
    """Say what keeps a registry from running here, None when nothing does."""
    if shutil.which("docker-registry") is None:
        return "docker-registry is not installed (Debian: docker-registry)"
    return None


def file_layer(name: str, content: bytes) -> bytes:
    """Return a layer, a tar, that holds one file."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(content), 0o644
        tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def random_layer(name: str, size: int) -> bytes:
    """Return a layer that no other image has and that does not compress."""
    return file_layer(name, os.urandom(size))


class Registry(Server):
    """A registry of our own.

    Args:
        address: Where it listens.
    """

    stop_signal = signal.SIGTERM

    def __init__(self, address: str) -> None:
        super().__init__()
        with socket.create_server((address, 0)) as probe:
            self.port = int(probe.getsockname()[1])
        self.address = address
        settings = {
            "version": "0.1",
            "log": {"level": "warn", "accesslog": {"disabled": False}},
            "storage": {
                "filesystem": {"rootdirectory": f"{self.folder}/data"},
                "maintenance": {"uploadpurging": {"enabled": False}},
            },
            "http": {"addr": f"{address}:{self.port}", "secret": "none"},
        }
        (self.folder / "config.yml").write_text(json.dumps(settings))  # JSON is YAML

    def command(self) -> list[str]:
        """Return the server's command."""
        return ["docker-registry", "serve", f"{self.folder}/config.yml"]

    def answers(self) -> bool:
        """Tell whether it answers."""
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"http://{self.address}:{self.port}/v2/").is_success
        return False

    def requests(self, part: str) -> list[str]:
        """List the reads so far whose path contains `part`, as `METHOD PATH`."""
        found = _REQUEST.findall((self.folder / "log").read_text())
        return [f"{method} {path}" for method, path in found if part in path]

    def push(self, repository: str, tag: str, *layers: bytes) -> str:
        """Put an image there, made of layers given as tars; return its name for an engine."""
        architecture = _ARCHITECTURES.get(platform.machine(), platform.machine())
        config = {
            "architecture": architecture,
            "os": "linux",
            "config": {"Cmd": ["/bin/sh"], "Env": ["PATH=/bin"]},
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer) for layer in layers]},
            "history": [{"created_by": "a test"} for _ in layers],
        }
        with httpx.Client(base_url=f"http://{self.address}:{self.port}/v2/{repository}/") as client:
            manifest = {
                "schemaVersion": 2,
                "mediaType": _SCHEMA,
                "config": _upload(client, _CONFIG, json.dumps(config).encode()),
                "layers": [
                    _upload(client, _LAYER, gzip.compress(layer, 1, mtime=0)) for layer in layers
                ],
            }
            client.put(
                f"manifests/{tag}",
                content=json.dumps(manifest).encode(),
                headers={"content-type": _SCHEMA},
            ).raise_for_status()
        return f"{self.address}:{self.port}/{repository}:{tag}"

    def proxy(self) -> "Proxy":
        """Return a proxy in front of it, to be used in a `with` block."""
        return Proxy(self.address, self.port)


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _upload(client: httpx.Client, kind: str, content: bytes) -> dict[str, Any]:
    where = client.post("blobs/uploads/").raise_for_status().headers["location"]
    digest = _digest(content)
    url = httpx.URL(where).copy_merge_params({"digest": digest})
    client.put(url, content=content).raise_for_status()
    return {"mediaType": kind, "size": len(content), "digest": digest}


class Proxy:
    """Forward connections to a registry, as slowly as asked, and stop in mid-stream when asked.

    Attributes:
        port: Where it listens, at the registry's address.
        bytes_per_second: What comes back, over all connections; None for all there is.
    """

    def __init__(self, address: str, port: int) -> None:
        self.bytes_per_second: float | None = None
        self._target = address, port
        self._listener = socket.create_server((address, 0))
        self.port = int(self._listener.getsockname()[1])
        self._left: float = float("inf")
        self._changed = threading.Condition()
        self._pace = threading.Lock()
        self._links: set[socket.socket] = set()
        self._closing = False

    def through(self, image: str) -> str:
        """Return an image's name as it is seen through this proxy."""
        return f"{self._target[0]}:{self.port}/{image.partition('/')[2]}"

    def stall_after(self, count: int) -> None:
        """Forward so many bytes more, then none, while connections stay open."""
        with self._changed:
            self._left = count

    def resume(self) -> None:
        """Forward everything again."""
        with self._changed:
            self._left = float("inf")
            self._changed.notify_all()

    def cut(self) -> None:
        """Break off every connection."""
        for link in list(self._links):
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self._closing:
            with contextlib.suppress(OSError):
                here, _ = self._listener.accept()
                self._links.add(here)
                there = socket.create_connection(self._target)
                self._links.add(there)
                self._start(self._pump, here, there)
                self._start(self._pump, there, here, self._wait_for_turn)

    def _pump(
        self,
        source: socket.socket,
        sink: socket.socket,
        wait: Callable[[int], None] = lambda _: None,
    ) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(_CHUNK):
                wait(len(chunk))
                sink.sendall(chunk)
        for link in (source, sink):
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)

    def _wait_for_turn(self, count: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._left > 0 or self._closing)
            self._left -= count
        rate = self.bytes_per_second  # once: a test may lift it at any moment
        if rate:
            with self._pace:
                time.sleep(count / rate)

    def _start(self, function: Any, *arguments: Any) -> None:
        threading.Thread(target=function, args=arguments, daemon=True).start()

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        # A blocked accept is woken by a shutdown, not by a close.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for link in self._links:
            link.close()
