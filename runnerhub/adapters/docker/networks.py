"""Networks: made with an explicit subnet, removed whatever is on them."""

import json
from collections.abc import Sequence

from runnerhub.adapters.docker import answers, bodies
from runnerhub.adapters.docker.base import READ_SECONDS, WRITE_SECONDS, Part, quoted
from runnerhub.adapters.docker.refusal import CONFLICT, MISSING, Refused
from runnerhub.ports.engine import NetworkSpec, NetworkState
from runnerhub.ports.errors import NameConflict, SubnetConflict


class Networks(Part):
    """The networks of an engine."""

    async def create_network(self, spec: NetworkSpec) -> None:
        """Create a bridge network with an explicit subnet."""
        body = bodies.network_body(spec)
        try:
            await self._http.json("POST", "networks/create", WRITE_SECONDS, body=body)
        except Refused as refused:
            if refused.status == CONFLICT or refused.says("same bridge name"):
                raise NameConflict(refused.message) from None
            if refused.says("overlap"):
                raise SubnetConflict(refused.message) from None
            raise refused.as_error() from None

    async def remove_network(self, name: str) -> bool:
        """Remove a network, disconnecting what is on it."""
        try:
            await self._http.json("DELETE", f"networks/{quoted(name)}", WRITE_SECONDS)
        except Refused as refused:
            if refused.status == MISSING:
                return False
            if not refused.says("active endpoints", "ambiguous", "matches found"):
                raise refused.as_error() from None
        else:
            return True
        params = {"filters": json.dumps({"name": [name]})}  # matches substrings too
        found = await self._http.json("GET", "networks", READ_SECONDS, params=params)
        for network in found:
            if network["Name"] == name:
                await self._disconnect_and_remove(str(network["Id"]))
        return True

    async def _disconnect_and_remove(self, network_id: str) -> None:
        path = f"networks/{network_id}"
        try:
            state = await self._http.json("GET", path, READ_SECONDS)
            for endpoint, member in (state.get("Containers") or {}).items():
                # An endpoint without its container bears the container's name only.
                whom = member["Name"] if endpoint.startswith("ep-") else endpoint
                body = {"Container": whom, "Force": True}
                try:
                    await self._http.json("POST", f"{path}/disconnect", WRITE_SECONDS, body=body)
                except Refused:
                    continue  # gone meanwhile, or the removal says why not
            await self._http.json("DELETE", path, WRITE_SECONDS)
        except Refused as refused:
            if refused.status != MISSING:
                raise refused.as_error() from None

    async def networks(self, label: str | None = None) -> Sequence[NetworkState]:
        """List networks."""
        params = {"filters": json.dumps({"label": [label]})} if label else {}
        found = await self._ask("GET", "networks", READ_SECONDS, params=params)
        return [answers.network_state(each) for each in found]
