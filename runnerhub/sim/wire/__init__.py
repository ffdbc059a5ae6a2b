"""Simulated engines served as the Docker Engine HTTP API, over unix sockets and tcp.

server      hundreds of hosts in one process
sockets     listening sockets: made, reclaimed and removed
host        one host: an engine, its listeners, and a task per connection
http        one connection: requests parsed by httptools, answers written
calls       a request on its way to its handler, and how an answer is written
routes      which handler answers what, and which error is which status
containers, execs, images, networks, system      the handlers
streams     logs, attach and events: what goes on until one side has enough
bodies      the API's JSON as our specs
answers     containers, networks and events as the API's JSON
about       the engine and its images, the same
filters     the `filters` parameter of a listing
"""
