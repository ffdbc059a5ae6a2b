"""A whole node under a load: what its scenarios have in common.

hosts     simulated hosts, in a process of their own      engine    a real engine, and the bare one
node      a `runnerhub serve` that can be killed           watched   the same with its loop watched
client    requests at given times, also followed logs      jobs      bodies, phases, percentiles
github    a simulated GitHub, whose hosts run runners
profile   where the node's processor time goes
"""
