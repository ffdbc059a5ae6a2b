"""Makes .venv hold the locked dependencies and this package, once per content of the lock.

Needs a bare Python and nothing else. `bootstrap.py runtime` is enough to run RunnerHub,
`bootstrap.py demo` also brings `act` for the demo's workflow files where there is one for this
machine, `bootstrap.py dev` what tests and linters need. A stamp in .venv names what was
installed; while it matches, a call costs a few milliseconds and writes nothing.
"""

import fcntl
import hashlib
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "stamp"
LOCKS = {
    "runtime": ["runtime.txt", "build.txt"],
    "demo": ["runtime.txt", "build.txt", "demo.txt"],
    "dev": ["dev.txt"],
}
# Whoever has the larger environment need not install the smaller one.
SATISFIED_BY = {"runtime": ("runtime", "demo", "dev"), "demo": ("demo", "dev"), "dev": ("dev",)}
# What may be missing for this machine, and what is then different.
OPTIONAL = {"demo.txt": "no act, see above: the demo will pretend the steps of workflows"}


def main(level: str) -> int:
    """Bring .venv to `level`; return the exit code, with one line for people when it fails."""
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        return fail(
            "RunnerHub needs Python 3.11, 3.12 or 3.13; this is "
            f"{sys.version_info[0]}.{sys.version_info[1]} ({sys.executable}). "
            "Name another with: make PYTHON=/path/to/python3.12"
        )
    if is_ready(level):
        return 0
    if not (find_spec("venv") and find_spec("ensurepip")):
        return fail(
            "This Python cannot create virtual environments: install python3-venv "
            "(Debian, Ubuntu: apt-get install python3-venv), or name another with PYTHON=…"
        )
    # Two calls at once (make -j, two terminals) take turns; the second finds the work done.
    try:
        with (ROOT / ".bootstrap.lock").open("w") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            return 0 if is_ready(level) else install(level)
    except PermissionError as error:
        return fail(f"cannot write to {error.filename}: {error.strerror}")


def wanted(level: str) -> str:
    """Name what `level` means here: the locks, the package's metadata, this Python, this place."""
    digest = hashlib.sha256()
    for name in LOCKS[level]:
        digest.update((ROOT / "requirements" / name).read_bytes())
    digest.update((ROOT / "pyproject.toml").read_bytes())
    digest.update(str(VENV).encode())
    return level + " " + digest.hexdigest()


def is_ready(level: str) -> bool:
    """Tell whether .venv already holds `level`, for this content of the lock, and starts."""
    try:
        stamp = STAMP.read_text().strip()
    except OSError:
        return False
    return stamp in [wanted(each) for each in SATISFIED_BY[level]] and (
        (VENV / "bin" / "python").exists()
    )


def install(level: str) -> int:
    """Create .venv where needed and install into it; the stamp is written last."""
    python = str(VENV / "bin" / "python")
    say("installing RunnerHub's locked dependencies into .venv (first run, about a minute) …")
    if STAMP.exists():
        STAMP.unlink()
    if not usable(python):
        shutil.rmtree(str(VENV), ignore_errors=True)
        if not run([sys.executable, "-m", "venv", str(VENV)]):
            return fail("python -m venv failed, see above (Debian: apt-get install python3-venv)")
    pip = [python, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    pip += ["--no-warn-script-location", "--root-user-action=ignore"]
    for name in LOCKS[level]:
        say(f"  {name} …")
        wheels = ["--only-binary", ":all:"] if name in OPTIONAL else []
        if run([*pip, *wheels, "--require-hashes", "-r", str(ROOT / "requirements" / name)]):
            continue
        if name not in OPTIONAL:
            return fail(f"pip could not install requirements/{name}, see above")
        say(f"  {OPTIONAL[name]}")
    say("  runnerhub …")
    if not run([*pip, "--no-deps", "--no-build-isolation", "-e", str(ROOT)]):
        return fail("pip could not install this package, see above")
    STAMP.write_text(wanted(level) + "\n")
    say("installed.")
    return 0


def usable(python: str) -> bool:
    """Tell whether .venv was made for this place by a Python of this very version."""
    try:
        probe = "import sys, pip; print(sys.prefix, *sys.version_info[:3])"
        out = subprocess.run([python, "-c", probe], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return out.stdout.split() == [str(VENV)] + [str(part) for part in sys.version_info[:3]]


def run(command: "list[str]") -> bool:
    """Run `command` with its output shown; tell whether it succeeded."""
    return subprocess.run(command, check=False, stdin=subprocess.DEVNULL).returncode == 0


def say(words: str) -> None:
    """Print progress on stderr, so that a program reading stdout is not disturbed."""
    print(words, file=sys.stderr, flush=True)


def fail(words: str) -> int:
    """Print the reason and return the exit code."""
    say(f"error: {words}")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "runtime"))
