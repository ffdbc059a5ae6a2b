"""One Docker Engine, over a unix socket or tcp with mutual TLS.

engine      the port, put together of its parts:
base        what they share         networks, containers, execs, images, pulls
logs        a log to its end        followed    whose container is known to have ended
events      the event stream        frames      the 8-byte frames of a log, and timestamps
bodies      our specs as JSON       answers     the engine's JSON as our states

http        requests on trio ─▶ pool ─▶ connection ─▶ link (socket, TLS)
rare        requests through aiodocker, on asyncio: pulls, imports, execs, stdin
refusal     what errors mean        version     which API is spoken

pause       the holder's image      progress    how far a pull is
guard       the firewall rule that keeps a host's own services off our bridges

ADR 10 says why there are two clients.
"""

from runnerhub.adapters.docker.engine import DockerEngine
from runnerhub.adapters.docker.link import TlsFiles

__all__ = ["DockerEngine", "TlsFiles"]
