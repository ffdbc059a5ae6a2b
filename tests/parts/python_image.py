"""A base image with the machine's own Python, for building our image where no registry is."""

import io
import re
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterator
from pathlib import Path

from tests.parts.images import busybox_root

PYTHON_IMAGE = "runnerhub-test/python:1"
_LEFT_OUT = {"__pycache__", "site-packages", "dist-packages", "test", "tests", "idlelib", "tkinter"}
# Tools of the embedded servers' launcher, whose namesakes in busybox do less.
_TOOLS = ("/usr/bin/setpriv", "/usr/bin/unshare")


def python_root() -> bytes:
    """Return busybox, Python with its standard library, and every library they need, as a tar."""
    program = Path(sys.executable).resolve()
    stdlib = Path(sysconfig.get_paths()["stdlib"])
    files = [program, *(Path(tool) for tool in _TOOLS), *_standard_library(stdlib)]
    installed = Path(sysconfig.get_paths()["purelib"])
    binaries = [path for path in files if path.suffix == ".so" or path.parent.name == "bin"]
    libraries = _libraries([*binaries, *installed.rglob("*.so"), *installed.rglob("bin/postgres")])
    out = io.BytesIO(busybox_root())
    with tarfile.open(fileobj=out, mode="a") as tar:
        for path in sorted({*files, *libraries}):
            tar.add(path.resolve(), arcname=str(path).lstrip("/"), filter=_for_everybody)
        link = tarfile.TarInfo("usr/local/bin/python3")
        link.type, link.linkname = tarfile.SYMTYPE, str(program)
        tar.addfile(link)
    return out.getvalue()


def _standard_library(stdlib: Path) -> Iterator[Path]:
    for path in stdlib.rglob("*"):
        inside = path.relative_to(stdlib).parts
        if path.is_file() and not _LEFT_OUT & set(inside) and not inside[0].startswith("config-"):
            yield path


def _libraries(binaries: list[Path]) -> set[Path]:
    said = subprocess.run(
        ["ldd", *(str(path) for path in binaries)], check=False, capture_output=True, text=True
    ).stdout
    found = (Path(path) for path in re.findall(r"(?:=> |^\t)(/\S+) \(0x", said, re.MULTILINE))
    return {path for path in found if path.exists() and "site-packages" not in path.parts}


def _for_everybody(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.mode |= 0o555 if entry.mode & 0o100 else 0o444
    return entry
