"""A root file system for test containers, made of the machine's static busybox: no registry."""

import io
import shutil
import subprocess
import tarfile
from functools import cache
from pathlib import Path

BUSYBOX = "runnerhub-test/busybox:1"


def find_static_busybox() -> Path | None:
    """Return a busybox that needs no libraries, or None."""
    for name in ("/usr/bin/busybox", "/bin/busybox", shutil.which("busybox-static") or ""):
        if name and Path(name).is_file():
            asked = subprocess.run(["ldd", name], check=False, capture_output=True, text=True)
            if asked.returncode != 0 or "statically" in asked.stdout:
                return Path(name)
    return None


@cache
def busybox_root() -> bytes:
    """Return the root file system as a tar: busybox, a link per applet, users, /tmp."""
    busybox = find_static_busybox()
    if busybox is None:
        raise FileNotFoundError("no static busybox (Debian: busybox-static)")
    applets = subprocess.run([str(busybox), "--list"], check=True, capture_output=True, text=True)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for folder, mode in (("bin", 0o755), ("etc", 0o755), ("root", 0o755), ("tmp", 0o1777)):
            _folder(tar, folder, mode)
        _file(tar, "bin/busybox", busybox.read_bytes(), 0o755)
        for applet in applets.stdout.split():
            if applet != "busybox":
                link = tarfile.TarInfo(f"bin/{applet}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                tar.addfile(link)
        _file(tar, "etc/passwd", b"root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n")
        _file(tar, "etc/group", b"root:x:0:\nnogroup:x:65534:\n")
    return out.getvalue()


def _folder(tar: tarfile.TarFile, name: str, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = tarfile.DIRTYPE, mode
    tar.addfile(entry)


def _file(tar: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    tar.addfile(entry, io.BytesIO(content))
