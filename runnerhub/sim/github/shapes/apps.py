"""Apps and installations as JSON."""

from typing import Any

from runnerhub.sim.github.access import App, Installation
from runnerhub.sim.github.clock import iso
from runnerhub.sim.github.core import node_id
from runnerhub.sim.github.shapes import accounts


def app(url: str, app: App, installations: int) -> dict[str, Any]:
    """Return an `integration`."""
    return {
        "id": app.id,
        "slug": app.slug,
        "client_id": f"Iv1.{app.id:016x}",
        "node_id": node_id("App", app.id),
        "owner": accounts.user(url, app.owner),
        "name": app.slug,
        "description": "",
        "external_url": url,
        "html_url": f"{url}/apps/{app.slug}",
        "created_at": iso(app.created_at),
        "updated_at": iso(app.created_at),
        "permissions": app.permissions,
        "events": app.events,
        "installations_count": installations,
    }


def installation(url: str, installation: Installation) -> dict[str, Any]:
    """Return an `installation`."""
    account, number = installation.account, installation.id
    return {
        "id": number,
        "account": accounts.user(url, account) | _also_enterprise(installation),
        "repository_selection": "all" if installation.repositories is None else "selected",
        "access_tokens_url": f"{url}/app/installations/{number}/access_tokens",
        "repositories_url": f"{url}/installation/repositories",
        "html_url": f"{url}/organizations/{account.login}/settings/installations/{number}",
        "app_id": installation.app.id,
        "app_slug": installation.app.slug,
        "target_id": account.id,
        "target_type": account.kind,
        "permissions": installation.permissions,
        "events": installation.app.events,
        "created_at": iso(installation.created_at),
        "updated_at": iso(installation.created_at),
        "single_file_name": None,
        "has_multiple_single_files": False,
        "single_file_paths": [],
        "suspended_by": None,
        "suspended_at": None,
    }


def _also_enterprise(installation: Installation) -> dict[str, Any]:
    """Return what an account has in `GET /app/installations`, which is described as both kinds."""
    login, made_at = installation.account.login, iso(installation.account.created_at)
    return {"name": login, "slug": login, "created_at": made_at, "updated_at": made_at}
