"""The control API below `/_sim/`: what a test or a demo orders, looks at, and lets go wrong.

orders      repositories, runs, jobs, events, what there is
credentials tokens, Apps, installations, webhooks
rules       faults, limits, the clock, the scale-set service's times
runner      what a runner that has no real runner's program speaks
"""
