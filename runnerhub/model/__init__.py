"""What RunnerHub knows of jobs, sandboxes and hosts: pure, synchronous, without clock or I/O."""
