"""Workflows, runs and jobs."""

from runnerhub.sim.github.http.call import Call
from runnerhub.sim.github.http.messages import Answer
from runnerhub.sim.github.http.router import Handler, Route
from runnerhub.sim.github.refusals import not_found
from runnerhub.sim.github.shapes import actions
from runnerhub.sim.github.things import Job, Run, Workflow

_ACTIONS = "/repos/{owner}/{repo}/actions"
_READ, _WRITE = "actions:read", "actions:write"


def _workflows(call: Call) -> Answer:
    url = call.state.core.url
    found = call.state.work.workflows(call.repository())
    return call.listed("workflows", found, lambda each: actions.workflow(url, each))


def _the_workflow(call: Call) -> Workflow:
    wanted = call.names["workflow_id"]
    for each in call.state.work.workflows(call.repository()):
        if wanted in (str(each.id), each.path.rpartition("/")[2]):
            return each
    raise not_found()


def _workflow(call: Call) -> Answer:
    return Answer(200, actions.workflow(call.state.core.url, _the_workflow(call)))


def _runs(call: Call) -> Answer:
    repository = call.repository()
    workflow = _the_workflow(call) if "workflow_id" in call.names else None
    wanted = call.request.query
    found = [
        run
        for run in reversed(call.state.work.runs.values())
        if run.repository is repository
        and workflow in (None, run.workflow)
        and wanted.get("status") in (None, run.status, run.conclusion)
        and wanted.get("branch") in (None, run.branch)
        and wanted.get("event") in (None, run.event)
        and wanted.get("head_sha") in (None, run.sha)
    ]
    url = call.state.core.url
    return call.listed("workflow_runs", found, lambda each: actions.run(url, each))


def _the_run(call: Call) -> Run:
    repository = call.repository()
    found = call.state.work.runs.get(call.number("run_id"))
    if found is None or found.repository is not repository:
        raise not_found()
    return found


def _run(call: Call) -> Answer:
    return Answer(200, actions.run(call.state.core.url, _the_run(call)))


def _jobs(call: Call) -> Answer:
    run = _the_run(call)
    url = call.state.core.url
    found = run.jobs
    if call.request.query.get("filter") == "all":
        found = [job for job in call.state.work.jobs.values() if job.run is run]
    return call.listed("jobs", found, lambda each: actions.job(url, each))


def _the_job(call: Call) -> Job:
    repository = call.repository()
    job = call.state.work.job(call.number("job_id"))
    if job.run.repository is not repository:
        raise not_found()
    return job


def _job(call: Call) -> Answer:
    return Answer(200, actions.job(call.state.core.url, _the_job(call)))


def _logs(call: Call) -> Answer:
    job = _the_job(call)
    return Answer(302, headers={"location": f"{call.state.core.url}/_sim/jobs/{job.id}/log"})


def _cancel(*, force: bool) -> Handler:
    def cancel(call: Call) -> Answer:
        call.state.work.cancel(_the_run(call), force=force)
        return Answer(202, {})

    return cancel


def _rerun(call: Call) -> Answer:
    run = _the_run(call)
    call.state.work.rerun(run, run.jobs)
    return Answer(201, {})


def _rerun_failed(call: Call) -> Answer:
    run = _the_run(call)
    call.state.work.rerun(run, [job for job in run.jobs if job.conclusion != "success"])
    return Answer(201, {})


def _rerun_job(call: Call) -> Answer:
    job = _the_job(call)
    call.state.work.rerun(job.run, [job])
    return Answer(201, {})


_RUN = f"{_ACTIONS}/runs/{{run_id}}"
_JOB = f"{_ACTIONS}/jobs/{{job_id}}"
_WORKFLOW = f"{_ACTIONS}/workflows/{{workflow_id}}"
ROUTES = [
    Route("GET", f"{_ACTIONS}/workflows", _workflows, needs=_READ),
    Route("GET", _WORKFLOW, _workflow, needs=_READ),
    Route("GET", f"{_WORKFLOW}/runs", _runs, needs=_READ),
    Route("GET", f"{_ACTIONS}/runs", _runs, needs=_READ),
    Route("GET", _RUN, _run, needs=_READ),
    Route("GET", f"{_RUN}/jobs", _jobs, needs=_READ),
    Route("POST", f"{_RUN}/cancel", _cancel(force=False), needs=_WRITE),
    Route("POST", f"{_RUN}/force-cancel", _cancel(force=True), needs=_WRITE),
    Route("POST", f"{_RUN}/rerun", _rerun, needs=_WRITE),
    Route("POST", f"{_RUN}/rerun-failed-jobs", _rerun_failed, needs=_WRITE),
    Route("GET", _JOB, _job, needs=_READ),
    Route("GET", f"{_JOB}/logs", _logs, needs=_READ),
    Route("POST", f"{_JOB}/rerun", _rerun_job, needs=_WRITE),
]
