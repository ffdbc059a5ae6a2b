"""A root file system for runners, made of this machine's own files: no registry, no package.

    /opt/runner/program     the runner
    /usr/bin/…              what of PROGRAMS is installed here, with the libraries they need
    …/python3.N             this Python and its standard library, where they are here
    /usr/local/bin/act      where there is one; without it `act` jobs fail, `--steps fake` works

The image is imported with the changes of `CHANGES`, under the name `IMAGE`.
"""

import importlib.util
import io
import marshal
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

IMAGE = "runnerhub/sim-runner:1"
CHANGES = (
    "ENV PATH=/usr/local/bin:/usr/bin:/bin",
    "ENV PYTHONPATH=/opt/runner",
    'CMD ["python3", "-m", "program"]',
)
PROGRAMS = (
    *("sh", "bash", "env", "echo", "printf", "true", "false", "test", "expr", "seq", "yes"),
    *("ls", "mkdir", "rmdir", "rm", "cp", "mv", "ln", "touch", "chmod", "chown", "stat", "mktemp"),
    *("cat", "head", "tail", "wc", "sort", "uniq", "cut", "tr", "tee", "tac", "od", "dd", "diff"),
    *("id", "whoami", "uname", "hostname", "nproc", "du", "df", "date", "sleep", "timeout", "kill"),
    *("pwd", "dirname", "basename", "readlink", "realpath", "sha256sum", "md5sum", "base64"),
    *("grep", "sed", "awk", "find", "xargs", "tar", "gzip", "git", "jq"),
)
_LEFT_OUT = {"test", "tests", "idlelib", "tkinter", "turtledemo", "lib2to3", "ensurepip"}
_LEFT_OUT |= {"site-packages", "dist-packages", "__pycache__"}
_BINARY_LEFT_OUT = re.compile("_tkinter|_test|_?xx|_codecs_|_sqlite|_curses|_ctypes_test|readline")
_FILES = {
    "etc/passwd": b"root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n",
    "etc/group": b"root:x:0:\nnogroup:x:65534:\n",
    "etc/gitconfig": b"[safe]\n\tdirectory = *\n",
}


def find_act() -> Path | None:
    """Return the program `act`, from beside this Python or from PATH; None without one."""
    beside = Path(sys.executable).parent / "act"
    found = str(beside) if beside.is_file() else shutil.which("act")
    return Path(found).resolve() if found else None


def runner_root() -> bytes:
    """Return the root file system as a tar. It takes some seconds, and reads only.

    Raises:
        FileNotFoundError: `sh`, which nothing works without, or `ldd` is not installed here.
    """
    if shutil.which("sh") is None:
        raise FileNotFoundError("sh is not installed")
    python = Path(sys.executable).resolve()
    stdlib = Path(sysconfig.get_paths()["stdlib"])
    extensions = (stdlib / "lib-dynload").glob("*.so")
    binaries = [path for path in extensions if not _BINARY_LEFT_OUT.match(path.name)]
    binaries.append(python)
    programs = _installed()
    needed = _libraries([*binaries, *programs.values()])
    # The engine refuses a path that comes twice; ldd tells some libraries by two.
    files = {_place(path): path for path in (*binaries, *needed, stdlib / "os.py")}
    files |= {f"usr/bin/{name}": path for name, path in programs.items()}
    act = find_act()
    if act is not None:
        files["usr/local/bin/act"] = act
    for path in sorted((Path(__file__).parent / "program").glob("*.py")):
        files[f"opt/runner/program/{path.name}"] = path
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        _lay_out(tar)
        _link(tar, "usr/local/bin/python3", str(python))
        number = f"{sys.version_info.major}{sys.version_info.minor}"
        _file(tar, f"{_place(stdlib.parent)}/python{number}.zip", _standard_library(stdlib))
        for place, path in files.items():
            stripped = path.name.startswith("libpython")
            _file(tar, place, _strip(path) if stripped else path.read_bytes(), path.stat().st_mode)
    return out.getvalue()


def _installed() -> dict[str, Path]:
    found = {name: shutil.which(name, path=os.defpath) for name in PROGRAMS}
    return {name: Path(path) for name, path in found.items() if path is not None}


def _lay_out(tar: tarfile.TarFile) -> None:
    for folder in ("etc", "root", "usr/bin", "usr/sbin", "usr/lib", "usr/lib32", "usr/lib64"):
        _folder(tar, folder)
    for folder in ("tmp", "var/tmp"):
        _folder(tar, folder, 0o1777)
    # Where this machine has /bin as a link to /usr/bin, paths that it tells are usr's.
    for name in ("bin", "sbin", "lib", "lib32", "lib64"):
        if name == "bin" or Path("/", name).is_symlink():
            _link(tar, name, f"usr/{name}")
    for name, content in _FILES.items():
        _file(tar, name, content)


def _standard_library(stdlib: Path) -> bytes:
    """Return the standard library compiled, in a zip: an import of few files is much faster."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for folder, folders, files in os.walk(stdlib):
            folders[:] = sorted(
                name for name in folders if name not in _LEFT_OUT and not name.startswith("config-")
            )
            for path in (Path(folder, name) for name in sorted(files) if name.endswith(".py")):
                place = path.relative_to(stdlib)
                packed.writestr(f"{place}c", _compiled(path))
    return out.getvalue()


def _compiled(path: Path) -> bytes:
    kept = Path(importlib.util.cache_from_source(str(path)))
    if kept.is_file():
        return kept.read_bytes()
    code = compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
    return importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(code)


def _strip(path: Path) -> bytes:
    """Return a library without the symbols that only a debugger wants, where that can be had."""
    if shutil.which("strip") is None:
        return path.read_bytes()
    with tempfile.NamedTemporaryFile() as stripped:
        command = ["strip", "--strip-unneeded", "-o", stripped.name, str(path)]
        done = subprocess.run(command, check=False, capture_output=True)
        return Path(stripped.name).read_bytes() if done.returncode == 0 else path.read_bytes()


def _libraries(binaries: Iterable[Path]) -> list[Path]:
    said = subprocess.run(
        ["ldd", *map(str, binaries)], check=False, capture_output=True, text=True
    ).stdout
    found = re.findall(r"(?:=> |^\t)(/\S+) \(0x", said, re.MULTILINE)
    # The end of a thread loads this one; nothing is linked with it.
    unwinder = {str(Path(name).parent / "libgcc_s.so.1") for name in found}
    return [path for path in map(Path, sorted({*found, *unwinder})) if path.exists()]


def _place(path: Path) -> str:
    return str(path.parent.resolve() / path.name).lstrip("/")


def _file(tar: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o755 if mode & 0o100 else 0o644
    tar.addfile(entry, io.BytesIO(content))


def _folder(tar: tarfile.TarFile, name: str, mode: int = 0o755) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = tarfile.DIRTYPE, mode
    tar.addfile(entry)


def _link(tar: tarfile.TarFile, name: str, target: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    tar.addfile(entry)
