"""Settings of a node: command line, then `RUNNERHUB_*`, then `runnerhub.toml`, then defaults."""

from runnerhub.config.github import GitHubCredential, GitHubSettings, ScaleSetSettings
from runnerhub.config.hosts import HostSettings, parse_docker_host
from runnerhub.config.loading import ConfigError, load_settings
from runnerhub.config.pools import PoolSettings
from runnerhub.config.settings import Settings, default_data_dir

__all__ = [
    "ConfigError",
    "GitHubCredential",
    "GitHubSettings",
    "HostSettings",
    "PoolSettings",
    "ScaleSetSettings",
    "Settings",
    "default_data_dir",
    "load_settings",
    "parse_docker_host",
]
