"""Benchmarks: `python -m bench SCENARIO`. Each scenario is a module in `bench/scenarios/`.

    result      figures, their table, their file      machine    where and with what it ran
    measure     rates and percentiles                 compare    two results side by side
    memory      what a thing costs in memory          plot       a result as SVG
    node        a `runnerhub serve` to measure        load       a client that is never the limit
    peers/      what others do with the same task     scenarios/ what is measured

Figures that are compared come from one run, in rounds that alternate, so that a noisy machine is
noisy for all of them.
"""
