"""The command line, over a fake API."""
