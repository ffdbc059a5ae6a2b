"""Webhooks and deliveries as JSON."""

import json
from typing import Any

from runnerhub.sim.github.clock import iso, iso_fine
from runnerhub.sim.github.hooks import Delivery, Hook


def hook(url: str, hook: Hook) -> dict[str, Any]:
    """Return a `hook`, or an `org-hook`."""
    scope = "repos" if hook.kind == "repo" else "orgs"
    base = f"{url}/{scope}/{hook.owner}/hooks/{hook.id}"
    code, status = hook.last
    return {
        "type": "Repository" if hook.kind == "repo" else "Organization",
        "id": hook.id,
        "name": "web",
        "active": hook.active,
        "events": sorted(hook.events),
        "config": {
            "url": hook.url,
            "content_type": "json",
            "insecure_ssl": "0",
            **({"secret": "********"} if hook.secret else {}),
        },
        "updated_at": iso(hook.created_at),
        "created_at": iso(hook.created_at),
        "url": base,
        "test_url": f"{base}/test",
        "ping_url": f"{base}/pings",
        "deliveries_url": f"{base}/deliveries",
        "last_response": {"code": code, "status": status, "message": None},
    }


def delivery_item(delivery: Delivery) -> dict[str, Any]:
    """Return a `hook-delivery-item`."""
    return {
        "id": delivery.id,
        "guid": delivery.guid,
        "delivered_at": iso_fine(delivery.at),
        "redelivery": delivery.redelivery,
        "duration": delivery.duration,
        "status": delivery.status,
        "status_code": delivery.status_code,
        "event": delivery.event,
        "action": delivery.action,
        "installation_id": delivery.installation_id,
        "repository_id": delivery.repository_id,
        "throttled_at": None,
    }


def delivery(delivery: Delivery) -> dict[str, Any]:
    """Return a `hook-delivery`."""
    return delivery_item(delivery) | {
        "url": delivery.hook.url,
        "request": {"headers": delivery.headers(), "payload": json.loads(delivery.body)},
        "response": {"headers": delivery.response_headers, "payload": delivery.response_body},
    }
