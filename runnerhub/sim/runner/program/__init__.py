"""The runner that runs in images: any Python 3.8 or later, no library, nothing of this package.

    python3 -m program [--jitconfig BLOB] [--steps act|fake]

The blob comes from `ACTIONS_RUNNER_INPUT_JITCONFIG` too. It exits 0 however it went, as `run.sh`
does.

    __main__    register, ask, and leave
    hub         requests to the simulated GitHub
    job         one job: its steps, its heartbeat, its end
    report      the job's log and steps, as they come
    acting      steps by `act`, from the workflow file
    pretending  steps that are pretended, chosen by the job's name
"""
