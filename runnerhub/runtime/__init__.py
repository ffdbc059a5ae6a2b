"""Actors on trio, supervised as in OTP. Generic: it could be a library of its own.

    errors      what is raised                     spec        what a supervisor knows of a child
    mailbox     bounded, with a stop lane          intensity   how many restarts are too many
    ref         tell and ask                       child       one child across its lives
    actor       what an actor may use              supervisor  starts, stops, restarts
    monitor     who ended, and why                 root        the top of a tree
    registry    who bears which name               cleanup     the only shield
    life        one run of one actor               shutdown    SIGINT and SIGTERM
    telemetry   counters by kind                   guest       trio as a guest of asyncio
    inspect     a picture of the tree              bridge      calls from trio to asyncio
    metrics     the counters for Prometheus        stream      asyncio generators as channels
    survey      the same picture in slices         stacks      where one actor stands in its code
    recording   what one actor does, on demand     describe    a message in one bounded line
    timekeeper  one clock for the bounds of asks    garbage  what the collector walks, and when

`docs/semantics.md` says what is promised, sentence by sentence.
"""

from runnerhub.runtime.actor import ActorContext
from runnerhub.runtime.bridge import Bridge, BridgeStatistics
from runnerhub.runtime.cleanup import Cleanup, cleanup, cleanup_together, run_cleanup, shielded
from runnerhub.runtime.errors import (
    ActorDied,
    ActorError,
    AskTimeout,
    BridgeClosed,
    CallCancelled,
    CleanupTimeout,
    MailboxFull,
    NameTaken,
    RestartIntensityExceeded,
    StartFailed,
    Stopped,
    UnknownChild,
)
from runnerhub.runtime.guest import run_guest
from runnerhub.runtime.inspect import ActorSnapshot
from runnerhub.runtime.intensity import Backoff, RestartIntensity
from runnerhub.runtime.life import Phase
from runnerhub.runtime.mailbox import MailboxStatistics
from runnerhub.runtime.monitor import Down, Monitor, Reason
from runnerhub.runtime.recording import Note, Recording
from runnerhub.runtime.ref import ActorRef, ReplyTo
from runnerhub.runtime.registry import Registry
from runnerhub.runtime.root import Root
from runnerhub.runtime.shutdown import Shutdown, run_until_signal
from runnerhub.runtime.spec import ChildSpec, Restart, Strategy
from runnerhub.runtime.stream import open_stream
from runnerhub.runtime.supervisor import Supervisor

__all__ = [
    "ActorContext",
    "ActorDied",
    "ActorError",
    "ActorRef",
    "ActorSnapshot",
    "AskTimeout",
    "Backoff",
    "Bridge",
    "BridgeClosed",
    "BridgeStatistics",
    "CallCancelled",
    "ChildSpec",
    "Cleanup",
    "CleanupTimeout",
    "Down",
    "MailboxFull",
    "MailboxStatistics",
    "Monitor",
    "NameTaken",
    "Note",
    "Phase",
    "Reason",
    "Recording",
    "Registry",
    "ReplyTo",
    "Restart",
    "RestartIntensity",
    "RestartIntensityExceeded",
    "Root",
    "Shutdown",
    "StartFailed",
    "Stopped",
    "Strategy",
    "Supervisor",
    "UnknownChild",
    "cleanup",
    "cleanup_together",
    "open_stream",
    "run_cleanup",
    "run_guest",
    "run_until_signal",
    "shielded",
]
