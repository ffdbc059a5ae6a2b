"""As whom PostgreSQL runs: it refuses uid 0, and we may be root.

    not root                            as we are
    root, user namespaces open          in a namespace, as another name; the files stay root's
    root, user namespaces closed        as an unprivileged uid, which then owns the files

The owner of an existing folder decides: a data folder made one way is kept that way.
PostgreSQL's initdb also wants its uid to have a name on this machine.
"""

import contextlib
import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

from runnerhub.adapters.embedded.errors import EmbeddedServerError

_NAMESPACE = ("unshare", "--user")
_UNPRIVILEGED_NAMES = ("postgres", "daemon", "nobody")
_NOBODY = 65534
_PROBE_SECONDS = 10


@dataclass(frozen=True)
class Identity:
    """How to become the one who runs the server.

    Attributes:
        prefix: What stands in front of a command line; it ends in exec, so the pid stays.
        owner: The uid that owns the files.
    """

    prefix: tuple[str, ...]
    owner: int

    def give(self, folder: Path) -> None:
        """Make `folder` (and nothing in it) the owner's, for the owner alone."""
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.stat().st_uid != self.owner:
            os.chown(folder, self.owner, self.owner)


def choose(folder: Path, program: Path) -> Identity:
    """Choose as whom `program` shall work in `folder`, which need not exist yet. Blocks briefly.

    Raises:
        EmbeddedServerError: We are root, namespaces are closed, and no unprivileged uid can
            reach the folder or the program.
    """
    if os.geteuid() != 0:
        return Identity((), os.geteuid())
    owner = folder.stat().st_uid if folder.exists() else None
    inside = _uid_of(_UNPRIVILEGED_NAMES)
    namespace = (*_NAMESPACE, f"--map-user={inside}", f"--map-group={inside}")
    if owner in (None, 0) and _runs([*namespace, str(program), "--version"]):
        return Identity(namespace, 0)
    uid = owner or _uid_of(("nobody",))
    identity = Identity(
        ("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"),
        uid,
    )
    _let_through(folder.parent)
    # `test` asks for itself, after it was executed: setpriv still has root's eye when it execs.
    reach = ["test", "-x", str(program), "-a", "-x", str(folder.parent)]
    if owner != 0 and _runs([*identity.prefix, *reach]):
        return identity
    raise EmbeddedServerError(
        "PostgreSQL refuses to run as root, user namespaces are closed here, and uid "
        f"{uid} cannot reach {folder.parent} and {program.parent}. Run RunnerHub as an ordinary "
        "user, or set DATABASE_URL to a server of your own."
    )


def _uid_of(names: tuple[str, ...]) -> int:
    """Return the uid of the first of these names that this machine knows and that is not root."""
    for name in names:
        with contextlib.suppress(KeyError):
            uid = pwd.getpwnam(name).pw_uid
            if uid != 0:
                return uid
    return _NOBODY


def _let_through(folder: Path) -> None:
    """Let others pass through our folder to theirs; they can list and read nothing in it."""
    folder.chmod(folder.stat().st_mode | 0o011)


def _runs(command: list[str]) -> bool:
    """Tell whether a short command ends well."""
    try:
        done = subprocess.run(
            command, capture_output=True, check=False, timeout=_PROBE_SECONDS, cwd="/"
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
