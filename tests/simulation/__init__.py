"""The whole tree on simulated ports, under a mock clock."""
