"""GitHub's REST API: the handlers, by area. Each module has its `ROUTES`."""
