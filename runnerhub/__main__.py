"""`python -m runnerhub`."""

from runnerhub.cli import main

main()
