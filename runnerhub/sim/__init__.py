"""Simulated worlds behind the ports: in-process, on trio's clock, so a mock clock drives them."""
