"""From a host's settings to its engine."""

from runnerhub.adapters.docker import DockerEngine, TlsFiles
from runnerhub.config import HostSettings
from runnerhub.runtime import Bridge

CLOSE_SECONDS = 2.0  # of a short command that was interrupted, for its connections


def docker_engine(bridge: Bridge, host: HostSettings) -> DockerEngine:
    """Return the engine of a host, not yet open."""
    tls = None
    if host.tls_ca and host.tls_cert and host.tls_key:
        tls = TlsFiles(host.tls_ca, host.tls_cert, host.tls_key)
    return DockerEngine(bridge, host.url, tls)
