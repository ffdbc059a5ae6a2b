"""The actors that drive jobs to their end. They know ports, never adapters."""
