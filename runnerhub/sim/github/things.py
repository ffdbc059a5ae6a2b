"""What there is at GitHub: accounts, repositories, runners, runs, jobs."""

from dataclasses import dataclass, field

from runnerhub.sim.github.clock import Bell

QUEUED, WAITING, IN_PROGRESS, COMPLETED = "queued", "waiting", "in_progress", "completed"


@dataclass(slots=True)
class Account:
    """A user or an organisation."""

    id: int
    login: str
    kind: str
    created_at: float


@dataclass(slots=True)
class Repository:
    """A repository."""

    id: int
    owner: Account
    name: str
    private: bool
    created_at: float
    default_branch: str = "main"
    pushed_at: float = 0.0

    @property
    def full_name(self) -> str:
        """Return owner and name."""
        return f"{self.owner.login}/{self.name}"


@dataclass(frozen=True, slots=True)
class Scope:
    """Where runners live: `repo` acme/web, `org` acme, or `enterprise` big."""

    kind: str
    name: str

    def serves(self, repository: Repository) -> bool:
        """Say whether its runners take jobs of a repository."""
        if self.kind == "repo":
            return repository.full_name.lower() == self.name.lower()
        if self.kind == "org":
            return repository.owner.login.lower() == self.name.lower()
        return True


@dataclass(slots=True)
class Group:
    """A runner group. Every scope has number 1, Default."""

    id: int
    name: str
    scope: Scope
    default: bool = False
    visibility: str = "all"


@dataclass(slots=True, eq=False)
class Runner:
    """A registered runner.

    Attributes:
        secret: what its blob proves itself with.
        session: of the process that runs it; None while it is offline.
        polling: how many long polls it has under way.
        seen_at: when it last spoke.
        offline_since: for the rule that drops runners which stay away.
    """

    id: int
    name: str
    scope: Scope
    group: Group
    labels: tuple[str, ...]
    ephemeral: bool
    created_at: float
    secret: str
    work_folder: str = "_work"
    scale_set_id: int | None = None
    os: str = "unknown"
    session: str | None = None
    polling: int = 0
    seen_at: float = 0.0
    offline_since: float = 0.0
    job: "Job | None" = None
    bell: Bell = field(default_factory=Bell)

    @property
    def busy(self) -> bool:
        """Whether it has a job."""
        return self.job is not None


@dataclass(slots=True)
class Workflow:
    """A workflow file. What it says is of each run: it may change from one to the next."""

    id: int
    repository: Repository
    name: str
    path: str
    created_at: float


@dataclass(slots=True)
class Step:
    """A step of a job."""

    number: int
    name: str
    status: str = QUEUED
    conclusion: str | None = None
    started_at: float | None = None
    completed_at: float | None = None


@dataclass(slots=True, eq=False)
class Run:
    """A run of a workflow.

    Attributes:
        text: of the workflow file at the run's commit; may be empty.
        jobs: those of the latest attempt.
    """

    id: int
    number: int
    workflow: Workflow
    event: str
    branch: str
    sha: str
    created_at: float
    updated_at: float
    started_at: float
    text: str = ""
    attempt: int = 1
    status: str = QUEUED
    conclusion: str | None = None
    jobs: list["Job"] = field(default_factory=list)

    @property
    def repository(self) -> Repository:
        """Return where it runs."""
        return self.workflow.repository


@dataclass(slots=True, eq=False)
class Job:
    """A job of a run.

    Attributes:
        gate: waiting behind a deployment gate; `queued` also tells of it as queued.
        scale_set_id: of the scale set that it is routed to.
        acquired_at: when that scale set's listener acquired it.
        lock_until: when the runner is given up for lost, unless it renews.
        takers: names of all runners that ever took it; more than one is a fault of GitHub's.
    """

    id: int
    run: Run
    name: str
    labels: tuple[str, ...]
    created_at: float
    status: str = QUEUED
    conclusion: str | None = None
    gate: str | None = None
    queued_at: float = 0.0
    started_at: float | None = None
    completed_at: float | None = None
    runner_id: int | None = None
    runner_name: str | None = None
    runner_group_id: int | None = None
    runner_group_name: str | None = None
    steps: list[Step] = field(default_factory=list)
    scale_set_id: int | None = None
    offered_at: float | None = None
    acquired_at: float | None = None
    cancel_requested_at: float | None = None
    lock_until: float = 0.0
    log: list[str] = field(default_factory=list)
    takers: list[str] = field(default_factory=list)
