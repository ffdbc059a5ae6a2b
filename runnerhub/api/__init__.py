"""The HTTP API: the last child of the tree, and the first to close."""
