"""One Docker Engine through aiodocker, over a unix socket or tcp with mutual TLS.

engine     the port's methods, one crossing of the bridge each
client     the connection: API version, time limits, and what errors mean
bodies     our specs as the engine's JSON
answers    the engine's JSON as our states
streams    the event stream and the logs, as asyncio generators
frames     the 8-byte frames of a log stream, and their timestamps
guard      the firewall rule that keeps a host's own services off our bridges
"""

from runnerhub.adapters.docker.client import TlsFiles
from runnerhub.adapters.docker.engine import DockerEngine

__all__ = ["DockerEngine", "TlsFiles"]
