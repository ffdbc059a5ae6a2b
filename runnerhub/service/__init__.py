"""The composition root: settings in, a running node out. A module for each thing to run."""
