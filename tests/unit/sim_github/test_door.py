"""The simulated GitHub over real connections."""

import httpx
import trio

from runnerhub.sim.github.serving import serve_sim_github


async def test_it_works_over_sockets() -> None:
    async with serve_sim_github() as github:
        github.state.places.add_repository("acme/web")
        async with httpx.AsyncClient(
            base_url=github.url, headers={"authorization": f"token {github.token}"}
        ) as client:
            answer = await client.get("/repos/acme/web")
            assert answer.json()["full_name"] == "acme/web"
            assert answer.json()["url"].startswith(github.url)
            with trio.fail_after(5):
                assert (await client.get("/nothing")).status_code == 404
