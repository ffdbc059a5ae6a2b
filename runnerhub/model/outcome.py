"""From what the engine saw of a container to what became of the job. Pure."""

from dataclasses import dataclass, replace

from runnerhub.model.job import Conclusion, Reason

KILLED_BY_RESTART = frozenset({137, 143})
EXPLAINED_EXITS = {
    126: "the command was found but could not be executed (exit code 126): is it a program?",
    127: "the command was not found in the image (exit code 127)",
    137: "the command was killed by SIGKILL (exit code 137)",
    143: "the command was ended by SIGTERM (exit code 143)",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a job ended, and why, in words."""

    conclusion: Conclusion
    reason: Reason
    explanation: str
    exit_code: int | None = None


@dataclass(frozen=True, slots=True)
class LostAttempt:
    """The host failed, not the job: another attempt is due."""

    reason: Reason
    explanation: str


def judge_exit(
    exit_code: int, *, out_of_memory: bool, across_restart: bool
) -> Verdict | LostAttempt:
    """Judge the end of a main container.

    Args:
        exit_code: the container's.
        out_of_memory: the kernel killed something in it for memory. It may still have exited 0.
        across_restart: it ended while the engine was away, so the engine may have killed it.
    """
    if out_of_memory and exit_code != 0:
        return Verdict(
            Conclusion.FAILURE,
            Reason.OUT_OF_MEMORY,
            "the job reached its memory limit and was killed; raise resources.memory_mb",
            exit_code,
        )
    if across_restart and exit_code in KILLED_BY_RESTART:
        return LostAttempt(Reason.ENGINE_RESTART, "the Docker engine restarted and ended the job")
    if exit_code == 0:
        return Verdict(Conclusion.SUCCESS, Reason.COMPLETED, "the command exited 0", 0)
    words = EXPLAINED_EXITS.get(exit_code, f"the command exited {exit_code}")
    return Verdict(Conclusion.FAILURE, Reason.EXIT_CODE, words, exit_code)


def with_log(verdict: Verdict, *, says_disk_full: bool) -> Verdict:
    """Judge again once the log is known: a failure whose log says so was a full disk.

    No engine reports that a limit on the disk or on /tmp was met; the command's own words do.
    """
    if says_disk_full and verdict.reason is Reason.EXIT_CODE:
        words = f"its log says that a disk or /tmp is full; {verdict.explanation}"
        return replace(verdict, reason=Reason.DISK_FULL, explanation=words)
    return verdict


def with_note(verdict: Verdict, note: str | None) -> Verdict:
    """Add to a verdict's words what was not as the job asked for."""
    return replace(verdict, explanation=f"{verdict.explanation}; {note}") if note else verdict


def judge_refusal(words: str) -> Verdict:
    """Judge an engine's refusal to create or start what a job asked for.

    The engine reports a missing or forbidden command as a failed start; people know these as
    exit codes 127 and 126.
    """
    low = words.lower()
    if "disk quota exceeded" in low:
        return Verdict(
            Conclusion.FAILURE,
            Reason.DISK_FULL,
            f"the image fills resources.disk_mb, which counts it too: {words}",
        )
    if "no space left" in low:
        return Verdict(Conclusion.FAILURE, Reason.DISK_FULL, f"the host's disk is full: {words}")
    if "executable file not found" in low or "no such file or directory" in low:
        return Verdict(
            Conclusion.FAILURE, Reason.EXIT_CODE, f"{EXPLAINED_EXITS[127]}: {words}", 127
        )
    if "permission denied" in low or "exec format error" in low:
        return Verdict(
            Conclusion.FAILURE, Reason.EXIT_CODE, f"{EXPLAINED_EXITS[126]}: {words}", 126
        )
    return Verdict(Conclusion.FAILURE, Reason.START_FAILED, f"the engine refused: {words}")


def judge_registration(words: str) -> Verdict:
    """Judge GitHub's refusal to register the runner that a job is to become."""
    return Verdict(Conclusion.FAILURE, Reason.RUNNER_REFUSED, words)


CANCELLED = Verdict(Conclusion.CANCELLED, Reason.CANCELLED_BY_USER, "cancelled on request")
SHUT_DOWN = Verdict(Conclusion.CANCELLED, Reason.SHUTDOWN, "RunnerHub was stopped in reap mode")
QUEUE_EXPIRED = Verdict(
    Conclusion.FAILURE, Reason.QUEUE_EXPIRED, "waited in the queue for longer than allowed"
)


def timed_out(seconds: float) -> Verdict:
    """Return the verdict on a job that ran for its whole timeout."""
    return Verdict(
        Conclusion.TIMED_OUT, Reason.TIMEOUT, f"ran for its timeout of {seconds:g} seconds"
    )
