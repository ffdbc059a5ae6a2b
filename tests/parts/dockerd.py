"""A private Docker Engine: started, killed, restarted and cleaned up by a test.

    FOLDER/data          --data-root (an own btrfs for storage="btrfs")
    FOLDER/exec          --exec-root, with its containerd
    FOLDER/docker.sock   where it listens; with tcp=True also on an address of its own, mutual TLS
    FOLDER/log           what the daemon says

It lives in a network namespace of its own, so it shares no bridge, route or firewall rule with
another engine. Everything of it is known by a path below FOLDER or by the id of a container in
FOLDER/data, and only that is ended: the machine's other engines are never touched.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import httpx

from runnerhub.adapters.embedded.child import tied_command
from tests.parts.certificates import Certificates, make_certificates
from tests.parts.images import BUSYBOX, busybox_root, find_static_busybox
from tests.parts.network import Namespace
from tests.parts.processes import (
    alive,
    end,
    kill_all,
    matching,
    mounts_below,
    unmount_below,
    wait_until,
    with_argument,
)

TCP_PORT = 2376


def missing() -> str | None:
    """Say what keeps a private engine from running here, None when nothing does."""
    if os.geteuid() != 0:
        return "a private Docker Engine needs root"
    for program in ("dockerd", "containerd", "runc", "iptables", "ip", "nsenter"):
        if shutil.which(program) is None:
            return f"{program} is not installed (Debian: docker.io iptables iproute2)"
    if find_static_busybox() is None:
        return "no static busybox (Debian: busybox-static)"
    return None


def missing_btrfs() -> str | None:
    """Say what keeps a btrfs with quotas from being made here, None when nothing does."""
    if shutil.which("mkfs.btrfs") is None:
        return "mkfs.btrfs is not installed (Debian: btrfs-progs)"
    if not _kernel_knows("btrfs"):
        return "this kernel has no btrfs"
    return None


def _kernel_knows(filesystem: str) -> bool:
    """Tell whether a file system can be mounted; its module may have to be loaded."""
    known = Path("/proc/filesystems")
    if filesystem not in known.read_text().split() and shutil.which("modprobe"):
        subprocess.run(["modprobe", "--quiet", filesystem], check=False)
    return filesystem in known.read_text().split()


class Dockerd:
    """A Docker Engine of our own; use it in a `with` block, or call `close` at the end.

    Args:
        live_restore: Containers run on while the daemon is down.
        storage_driver: None lets the daemon choose; "btrfs" brings a loop device with quotas,
            so that `StorageOpt: {"size": …}` is enforced.
        tcp: Also listen on tcp with mutual TLS, at an address of its own.
        own_network: False shares the machine's network, with `--bridge=none`, which needs every
            other engine there to do the same or to live in a namespace.
        cable: A cable to the machine's network (implied by `tcp`): `network.outside` is then
            an address outside of the engine that containers with a route can reach.
        extra: More arguments for the daemon.

    Attributes:
        url: `tcp://…` when `tcp`, else `unix://…`, as a Docker host is named everywhere.
        unix_url: `unix://…`.
        certificates: For `tcp`.
        network: The namespace, None when shared.
    """

    def __init__(
        self,
        *,
        live_restore: bool = False,
        storage_driver: str | None = None,
        tcp: bool = False,
        own_network: bool = True,
        cable: bool = False,
        extra: Sequence[str] = (),
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="rh-t-d-", dir="/tmp"))
        self.network = Namespace(cable=cable or tcp) if own_network else None
        self.certificates: Certificates | None = None
        self.unix_url = f"unix://{self.folder}/docker.sock"
        self.url = self.unix_url
        self._extra = list(extra)
        self._process: subprocess.Popen[bytes] | None = None
        (self.folder / "data").mkdir()
        if live_restore:
            self._extra += ["--live-restore"]
        if storage_driver:
            self._extra += ["--storage-driver", storage_driver]
        if not own_network:
            self._extra += ["--bridge=none"]
        try:
            if storage_driver == "btrfs":
                self._make_btrfs()
            if tcp:
                self._offer_tcp()
        except BaseException:
            self.close()
            raise

    def _offer_tcp(self) -> None:
        if self.network is None or self.network.address is None:
            raise ValueError("tcp needs a network of its own")
        self.url = f"tcp://{self.network.address}:{TCP_PORT}"
        made = make_certificates(self.folder / "tls", self.network.address)
        self.certificates = made
        self._extra += ["--tlsverify", "--tlscacert", str(made.ca), "-H", self.url]
        self._extra += ["--tlscert", str(made.server_cert), "--tlskey", str(made.server_key)]

    def _make_btrfs(self) -> None:
        image, data = self.folder / "btrfs.img", self.folder / "data"
        with image.open("wb") as file:
            file.truncate(2 << 30)
        for command in (
            ["mkfs.btrfs", "--quiet", str(image)],
            ["mount", "-o", "loop", str(image), str(data)],
            ["btrfs", "quota", "enable", str(data)],
        ):
            subprocess.run(command, check=True, capture_output=True)

    # ------------------------------------------------------------------ the daemon

    @property
    def pid(self) -> int:
        """The daemon's process id; raises when it was not started."""
        if self._process is None:
            raise RuntimeError("not started")
        return self._process.pid

    def start(self, within: float = 30.0) -> Self:
        """Start the daemon and wait until it answers; raise with its log when it does not."""
        self._clear_pid_files()
        where = ["--data-root", f"{self.folder}/data", "--exec-root", f"{self.folder}/exec"]
        where += ["--pidfile", f"{self.folder}/pid", "-H", self.unix_url]
        pool = ["--default-address-pool", "base=10.200.0.0/16,size=24"]
        command = tied_command(
            ["dockerd", *where, *pool, *self._extra],
            death_signal=signal.SIGTERM,
            prefix=self.network.prefix if self.network else (),
        )
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/")
        try:
            wait_until(self._answers_or_ended, within, "the engine answers")
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{self.log_tail()}") from None
        if self._process.poll() is not None:
            raise RuntimeError(f"dockerd ended at once\n{self.log_tail()}")
        return self

    def stop(self, within: float = 30.0) -> None:
        """End the daemon as an administrator would (SIGTERM)."""
        if self._process is not None:
            end(self._process, signal.SIGTERM, within)

    def kill9(self) -> None:
        """Kill the daemon, and its containerd with it; containers and their shims live on."""
        if self._process is not None:
            end(self._process, signal.SIGKILL, 5.0)

    def restart(self) -> None:
        """Stop, then start again."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze the daemon: connections are accepted by the kernel and never answered."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused daemon go on."""
        os.kill(self.pid, signal.SIGCONT)

    def answers(self) -> bool:
        """Tell whether the engine answers a ping."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(2.0)
            connection.connect(f"{self.folder}/docker.sock")
            connection.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return connection.recv(64).startswith(b"HTTP/1.0 200")
        return False

    def log_tail(self, lines: int = 15) -> str:
        """Return the last lines of the daemon's log."""
        return "\n".join((self.folder / "log").read_text().splitlines()[-lines:])

    def _answers_or_ended(self) -> bool:
        return self.answers() or (self._process is not None and self._process.poll() is not None)

    def _clear_pid_files(self) -> None:
        """Remove what a killed daemon left; its containerd has a moment to die with it."""
        (self.folder / "pid").unlink(missing_ok=True)
        path = self.folder / "exec/containerd/containerd.pid"
        with contextlib.suppress(OSError, ValueError, TimeoutError):
            pid = int(path.read_text())
            wait_until(lambda: not alive(pid), 2.0, "its containerd ends")
            path.unlink()

    # ------------------------------------------------------------------ what is on it

    def client(self, timeout: float = 60.0) -> httpx.Client:
        """Return a plain HTTP client on the unix socket, for looking at the engine from outside."""
        transport = httpx.HTTPTransport(uds=f"{self.folder}/docker.sock")
        return httpx.Client(transport=transport, base_url="http://engine/v1.41", timeout=timeout)

    def tls_context(self) -> ssl.SSLContext:
        """Return what a client of the tcp address needs."""
        if self.certificates is None:
            raise ValueError("tcp is not offered")
        context = ssl.create_default_context(cafile=str(self.certificates.ca))
        context.load_cert_chain(self.certificates.client_cert, self.certificates.client_key)
        return context

    def get(self, path: str) -> Any:
        """Return what the engine answers to a GET."""
        with self.client() as client:
            return client.get(path).raise_for_status().json()

    def container_ids(self) -> list[str]:
        """List all containers, running or not."""
        return [each["Id"] for each in self.get("/containers/json?all=true")]

    def network_names(self) -> list[str]:
        """List the networks that somebody made."""
        names = [each["Name"] for each in self.get("/networks")]
        return [name for name in names if name not in ("bridge", "host", "none")]

    def volume_names(self) -> list[str]:
        """List the volumes."""
        return [each["Name"] for each in self.get("/volumes")["Volumes"] or []]

    def leftovers(self) -> dict[str, list[str]]:
        """Return everything that a job could have left, empty when all is clean."""
        found = {
            "containers": self.container_ids(),
            "networks": self.network_names(),
            "volumes": self.volume_names(),
        }
        return {kind: names for kind, names in found.items() if names}

    def import_busybox(self) -> str:
        """Bring the test image, once; return its name."""
        if not self.has_image(BUSYBOX):
            self.import_image(BUSYBOX, busybox_root(), 'CMD ["/bin/sh"]')
        return BUSYBOX

    def has_image(self, name: str) -> bool:
        """Tell whether the engine has an image."""
        with self.client() as client:
            return client.get(f"/images/{name}/json").status_code == httpx.codes.OK

    def import_image(self, name: str, root: bytes, *changes: str) -> None:
        """Make an image of a root file system, with changes as in a Dockerfile."""
        repository, tag = name.rsplit(":", 1)
        path = "ENV PATH=/usr/local/bin:/usr/bin:/bin"
        query = {"fromSrc": "-", "repo": repository, "tag": tag, "changes": [path, *changes]}
        with self.client() as client:
            client.post("/images/create", params=query, content=root).raise_for_status()

    def build_image(self, name: str, context: bytes, arguments: dict[str, str]) -> str:
        """Build the Dockerfile of a context, a tar; return what was said, raise when it failed."""
        query = {"t": name, "buildargs": json.dumps(arguments), "rm": "true", "forcerm": "true"}
        with self.client(timeout=600.0) as client:
            answer = client.post("/build", params=query, content=context).raise_for_status()
        lines = [json.loads(line) for line in answer.text.splitlines()]
        said = "".join(str(line.get("stream", "")) for line in lines)
        errors = [str(line["error"]) for line in lines if "error" in line]
        if errors:
            raise RuntimeError(f"{errors[0]}\n{said[-3000:]}")
        return said

    def wipe(self) -> None:
        """Remove every container, network and volume; images stay."""
        with self.client() as client:
            for container in self.container_ids():
                client.delete(f"/containers/{container}", params={"force": "true", "v": "true"})
            for network in self.network_names():
                client.delete(f"/networks/{network}")
            for volume in self.volume_names():
                client.delete(f"/volumes/{volume}", params={"force": "true"})

    # ------------------------------------------------------------------ the end

    def close(self) -> None:
        """End everything of this engine, whatever state it is in; harmless when repeated."""
        if not self.folder.exists():
            return
        if self._process is not None and self._process.poll() is None:
            with contextlib.suppress(httpx.HTTPError):
                self.resume()
                self.wipe()
            self.stop(within=15.0)
        wait_until(self._ended_the_rest, 10.0, f"no process of {self.folder} is left")
        unmount_below(self.folder)
        for container in self._all_container_ids():
            for group in Path("/sys/fs/cgroup").glob(f"*/docker/{container}"):
                with contextlib.suppress(OSError):
                    group.rmdir()
        if self.network is not None:
            self.network.close()
        if mounts_below(self.folder):
            raise RuntimeError(f"still mounted: {mounts_below(self.folder)}")
        shutil.rmtree(self.folder)

    def processes(self) -> list[int]:
        """List the pids of the daemon, its containerd, its shims and its containers."""
        ids = [container.encode() for container in self._all_container_ids()]

        def is_container(entry: Path) -> bool:
            groups = (entry / "cgroup").read_bytes()
            return any(container in groups for container in ids)

        ours = with_argument(f"{self.folder}/")
        return [pid for pid in {*ours, *(matching(is_container) if ids else ())} if alive(pid)]

    def _ended_the_rest(self) -> bool:
        left = self.processes()
        kill_all(left)
        return not left

    def _all_container_ids(self) -> list[str]:
        """List the ids that are on disk: with the daemon gone nobody else knows them."""
        folders = (self.folder / "data/containers", self.folder / "exec/runtime-runc/moby")
        return [entry.name for folder in folders if folder.is_dir() for entry in folder.iterdir()]

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_: object) -> None:
        self.close()
