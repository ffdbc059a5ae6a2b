"""What stands in for GitHub's runner at the simulated GitHub.

    program/      the runner: standard library only, copied into images
    image.py      a root file system that holds it, made of this machine's own files
    inprocess.py  the same conduct as a coroutine, for simulations under a mock clock

Each is given the blob of `generate-jitconfig`, takes one job at the simulated GitHub that the
blob names, and ends.
"""
