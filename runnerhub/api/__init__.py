"""The HTTP API: the last child of the tree, and the first to close."""

from runnerhub.api.app import create_app
from runnerhub.api.server import serve_api

__all__ = ["create_app", "serve_api"]
