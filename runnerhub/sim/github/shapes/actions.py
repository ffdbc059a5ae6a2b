"""Runners, workflows, runs and jobs as JSON."""

from typing import Any

from runnerhub.sim.github.clock import iso
from runnerhub.sim.github.core import node_id
from runnerhub.sim.github.shapes import accounts
from runnerhub.sim.github.things import Group, Job, Run, Runner, Step, Workflow

_READ_ONLY = {"self-hosted", "linux", "x64", "arm64"}


def runner(runner: Runner, *, online: bool) -> dict[str, Any]:
    """Return a `runner`."""
    return {
        "id": runner.id,
        "name": runner.name,
        "os": runner.os,
        "status": "online" if online else "offline",
        "busy": runner.busy,
        "ephemeral": runner.ephemeral,
        "labels": [
            {
                "id": number,
                "name": label,
                "type": "read-only" if label.lower() in _READ_ONLY else "custom",
            }
            for number, label in enumerate(runner.labels, 1)
        ],
        "runner_group_id": runner.group.id,
    }


def group(url: str, group: Group) -> dict[str, Any]:
    """Return a `runner-groups-org`."""
    base = f"{url}/orgs/{group.scope.name}/actions/runner-groups/{group.id}"
    return {
        "id": group.id,
        "name": group.name,
        "visibility": group.visibility,
        "default": group.default,
        "runners_url": f"{base}/runners",
        "hosted_runners_url": f"{base}/hosted-runners",
        "inherited": False,
        "allows_public_repositories": False,
        "restricted_to_workflows": False,
        "selected_workflows": [],
        "workflow_restrictions_read_only": False,
    }


def workflow(url: str, workflow: Workflow) -> dict[str, Any]:
    """Return a `workflow`."""
    base = f"{url}/repos/{workflow.repository.full_name}"
    html = f"{url}/{workflow.repository.full_name}"
    return {
        "id": workflow.id,
        "node_id": node_id("Workflow", workflow.id),
        "name": workflow.name,
        "path": workflow.path,
        "state": "active",
        "created_at": iso(workflow.created_at),
        "updated_at": iso(workflow.created_at),
        "url": f"{base}/actions/workflows/{workflow.id}",
        "html_url": f"{html}/blob/{workflow.repository.default_branch}/{workflow.path}",
        "badge_url": f"{html}/workflows/{workflow.name}/badge.svg",
    }


def job(url: str, job: Job) -> dict[str, Any]:
    """Return a `job`, which is a webhook's `workflow_job` as well."""
    run = job.run
    base = f"{url}/repos/{run.repository.full_name}"
    html = f"{url}/{run.repository.full_name}"
    return {
        "id": job.id,
        "run_id": run.id,
        "workflow_name": run.workflow.name,
        "head_branch": run.branch,
        "run_url": f"{base}/actions/runs/{run.id}",
        "run_attempt": run.attempt,
        "node_id": node_id("CheckRun", job.id),
        "head_sha": run.sha,
        "url": f"{base}/actions/jobs/{job.id}",
        "html_url": f"{html}/actions/runs/{run.id}/job/{job.id}",
        "status": job.status,
        "conclusion": job.conclusion,
        "created_at": iso(job.created_at),
        "started_at": iso(job.started_at or job.created_at),
        "completed_at": _maybe(job.completed_at),
        "name": job.name,
        "steps": [_step(each) for each in job.steps],
        "check_run_url": f"{base}/check-runs/{job.id}",
        "labels": list(job.labels),
        "runner_id": job.runner_id,
        "runner_name": job.runner_name,
        "runner_group_id": job.runner_group_id,
        "runner_group_name": job.runner_group_name,
    }


def run(url: str, run: Run) -> dict[str, Any]:
    """Return a `workflow-run`."""
    repository = accounts.repository(url, run.repository)
    actor = accounts.user(url, run.repository.owner)
    base = f"{url}/repos/{run.repository.full_name}"
    own = f"{base}/actions/runs/{run.id}"
    return {
        "id": run.id,
        "name": run.workflow.name,
        "node_id": node_id("WorkflowRun", run.id),
        "head_branch": run.branch,
        "head_sha": run.sha,
        "path": run.workflow.path,
        "display_title": run.workflow.name,
        "run_number": run.number,
        "event": run.event,
        "status": run.status,
        "conclusion": run.conclusion,
        "workflow_id": run.workflow.id,
        "check_suite_id": run.id,
        "check_suite_node_id": node_id("CheckSuite", run.id),
        "url": own,
        "html_url": f"{url}/{run.repository.full_name}/actions/runs/{run.id}",
        "pull_requests": [],
        "created_at": iso(run.created_at),
        "updated_at": iso(run.updated_at),
        "actor": actor,
        "run_attempt": run.attempt,
        "referenced_workflows": [],
        "run_started_at": iso(run.started_at),
        "triggering_actor": actor,
        "jobs_url": f"{own}/jobs",
        "logs_url": f"{own}/logs",
        "check_suite_url": f"{base}/check-suites/{run.id}",
        "artifacts_url": f"{own}/artifacts",
        "cancel_url": f"{own}/cancel",
        "rerun_url": f"{own}/rerun",
        "previous_attempt_url": f"{own}/attempts/{run.attempt - 1}" if run.attempt > 1 else None,
        "workflow_url": f"{base}/actions/workflows/{run.workflow.id}",
        "head_commit": _commit(run),
        "repository": repository,
        "head_repository": repository,
    }


def _commit(run: Run) -> dict[str, Any]:
    author = {"name": run.repository.owner.login, "email": "sim@example.com"}
    return {
        "id": run.sha,
        "tree_id": run.sha[::-1],
        "message": "A change",
        "timestamp": iso(run.created_at),
        "author": author,
        "committer": author,
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "name": step.name,
        "status": step.status,
        "conclusion": step.conclusion,
        "number": step.number,
        "started_at": _maybe(step.started_at),
        "completed_at": _maybe(step.completed_at),
    }


def _maybe(at: float | None) -> str | None:
    return None if at is None else iso(at)
