"""HTTP for the simulated GitHub: requests, answers, routes, connections."""
