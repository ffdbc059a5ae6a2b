"""RunnerHub runs GitHub Actions jobs in fresh sandboxes on Docker hosts of your own."""

__version__ = "0.1.0"
