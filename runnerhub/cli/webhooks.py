"""Webhook deliveries that were given up: list them, have them tried again."""

from http import HTTPStatus
from typing import Annotated, Any

import typer

from runnerhub.cli.client import Client, Refused, fail, plainly, quoted, tell
from runnerhub.cli.options import All, Json, Limit, most_of
from runnerhub.cli.output import show_json, show_table

PATH = "/api/webhooks/deliveries"

app = typer.Typer(no_args_is_help=True, help="Webhook deliveries that were given up.")


@app.command()
def dead(*, limit: Limit = None, everything: All = False, as_json: Json = False) -> None:
    """List deliveries that were given up, newest first."""
    most = most_of(limit, everything)
    with plainly():
        page = Client().pages(PATH, most, "deliveries", state="dead")
    if as_json:
        show_json(page)
        return
    rows = page["deliveries"]
    show_table(rows, "id", "event", "action", "repository", "received_at", "attempts", "error")
    if page["next_cursor"] is not None:
        tell(f"these are the newest {len(rows)}; --limit N or --all shows more")


@app.command()
def requeue(
    ids: Annotated[list[str] | None, typer.Argument(help="As `webhooks dead` lists them.")] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="All that were given up.")] = False,
    as_json: Json = False,
) -> None:
    """Have deliveries tried again that were given up."""
    if bool(ids) == everything:
        fail("name the deliveries, or give --all", 2)
    with plainly():
        client = Client()
        if everything:
            page = client.pages(PATH, None, "deliveries", state="dead")
            ids = [each["id"] for each in page["deliveries"]]
        again: list[dict[str, Any]] = []
        for number in ids or ():
            try:
                again.append(client.post(f"{PATH}/{quoted(number)}/requeue"))
            except Refused as error:
                if not everything or error.status != HTTPStatus.NOT_FOUND:
                    raise  # else it lives again, by GitHub or somebody else, since it was listed
    if as_json:
        show_json({"deliveries": again})
    else:
        for each in again:
            typer.echo(each["id"])
