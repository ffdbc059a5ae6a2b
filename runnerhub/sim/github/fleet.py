"""Runners: registered, online, idle or busy, and gone."""

from collections.abc import Iterable, Iterator

from runnerhub.sim.github.core import Core
from runnerhub.sim.github.places import Places
from runnerhub.sim.github.refusals import Refusal, invalid, not_found
from runnerhub.sim.github.things import Runner, Scope

ONLINE_SECONDS = 60.0  # how long a runner counts as online after it last spoke
EPHEMERAL_SECONDS = 24 * 3600.0  # an ephemeral runner offline for so long is dropped
PERSISTENT_SECONDS = 14 * 24 * 3600.0
_NAME_LENGTH = 64
_MOST_LABELS = 100


class Fleet:
    """All runners.

    Attributes:
        gone: how many were deregistered, by why.
    """

    def __init__(self, core: Core, places: Places) -> None:
        self._core = core
        self._places = places
        self._runners: dict[int, Runner] = {}
        self._names: dict[tuple[Scope, str], Runner] = {}
        self._sessions: dict[str, Runner] = {}
        self.gone: dict[str, int] = {}

    def __iter__(self) -> Iterator[Runner]:
        return iter(list(self._runners.values()))

    def add(
        self,
        scope: Scope,
        name: str,
        labels: Iterable[str],
        *,
        group_id: int = 1,
        ephemeral: bool = True,
        work_folder: str = "_work",
        scale_set_id: int | None = None,
    ) -> Runner:
        """Register a runner.

        Raises:
            Refusal: 409 when the name is taken, 404 for the group, 422 for a bad name or labels.
        """
        wanted = tuple(dict.fromkeys(labels))
        if not name or len(name) > _NAME_LENGTH:
            raise invalid(f"Invalid runner name: 1 to {_NAME_LENGTH} characters are needed.")
        if not wanted or len(wanted) > _MOST_LABELS or not all(wanted):
            raise invalid(f"Invalid labels: 1 to {_MOST_LABELS} are needed.")
        group = self._places.groups(scope).get(group_id)
        if group is None:
            raise not_found()
        if (scope, name.lower()) in self._names:
            raise Refusal(409, "Already exists - A runner with the name *** already exists.")
        now = self._core.now()
        number = self._core.next_id("runner")
        runner = Runner(
            number, name, scope, group, wanted, ephemeral, now, self._core.uuid(),
            work_folder, scale_set_id, offline_since=now,
        )  # fmt: skip
        self._runners[number] = runner
        self._names[scope, name.lower()] = runner
        self._drop_later(runner)
        return runner

    def of(self, scope: Scope) -> list[Runner]:
        """Return the runners of a scope, by id."""
        return [each for each in self._runners.values() if each.scope == scope]

    def get(self, scope: Scope, number: int) -> Runner:
        """Return a runner of a scope.

        Raises:
            Refusal: 404.
        """
        found = self._runners.get(number)
        if found is None or found.scope != scope:
            raise not_found()
        return found

    def named(self, scope: Scope, name: str) -> Runner | None:
        """Return a runner by name."""
        return self._names.get((scope, name.lower()))

    def remove(self, runner: Runner) -> None:
        """Deregister a runner as somebody asks.

        Raises:
            Refusal: 422 while it is busy.
        """
        if runner.busy:
            raise invalid(f"Runner {runner.name} is currently running a job and cannot be deleted.")
        self.drop(runner, "deleted")

    def drop(self, runner: Runner, why: str) -> None:
        """Deregister a runner; harmless when it is gone."""
        if self._runners.pop(runner.id, None) is None:
            return
        del self._names[runner.scope, runner.name.lower()]
        self._end_session(runner)
        self.gone[why] = self.gone.get(why, 0) + 1
        runner.bell.ring()

    def connect(self, number: int, secret: str) -> Runner:
        """Let the process of a runner come online. Its `session` is new.

        Raises:
            Refusal: 401 for a wrong secret, 404 for a runner that is gone, 409 while another
                process is online as this runner.
        """
        runner = self._runners.get(number)
        if runner is None:
            raise not_found()
        if runner.secret != secret:
            raise Refusal(401, "Bad credentials")
        if self.online(runner):
            raise Refusal(409, f"A session for runner {runner.name} already exists.")
        self._end_session(runner)
        runner.session = self._core.secret("sim_session_")
        self._sessions[runner.session] = runner
        runner.os = "Linux"
        self.heard(runner)
        return runner

    def of_session(self, session: str) -> Runner:
        """Return the runner that is online under a session.

        Raises:
            Refusal: 401.
        """
        runner = self._sessions.get(session)
        if runner is None:
            raise Refusal(401, "No such session: the runner is deregistered, or offline.")
        return runner

    def disconnect(self, runner: Runner) -> None:
        """Let a runner go offline."""
        self._end_session(runner)
        runner.offline_since = self._core.now()
        self._drop_later(runner)

    def heard(self, runner: Runner) -> None:
        """Note that a runner has spoken."""
        runner.seen_at = runner.offline_since = self._core.now()

    def online(self, runner: Runner) -> bool:
        """Say whether a runner is online."""
        if runner.session is None:
            return False
        return runner.polling > 0 or self._core.now() - runner.seen_at < ONLINE_SECONDS

    def _end_session(self, runner: Runner) -> None:
        if runner.session is not None:
            self._sessions.pop(runner.session, None)
            runner.session = None

    def _drop_later(self, runner: Runner) -> None:
        stays = EPHEMERAL_SECONDS if runner.ephemeral else PERSISTENT_SECONDS

        def look() -> None:
            if runner.id not in self._runners:
                return
            if runner.busy or self.online(runner):
                self._core.agenda.at(self._core.now() + stays, look)
            elif self._core.now() >= runner.offline_since + stays:
                self.drop(runner, "expired")
            else:
                self._core.agenda.at(runner.offline_since + stays, look)

        self._core.agenda.at(runner.offline_since + stays, look)
