"""Which API version is spoken, and what an engine's words mean."""

import pytest

from runnerhub.adapters.docker.answers import engine_event, engine_info, listed_container
from runnerhub.adapters.docker.version import negotiate
from runnerhub.ports.errors import EngineUnavailable


@pytest.mark.parametrize(
    ("newest", "oldest", "spoken"),
    [
        ("1.41", "1.12", "v1.41"),
        ("1.45", "1.24", "v1.45"),
        ("1.52", "1.44", "v1.47"),
        ("1.60", "1.50", "v1.50"),
        ("1.41", None, "v1.41"),
    ],
)
def test_the_version_is_one_that_both_speak(newest: str, oldest: str | None, spoken: str) -> None:
    assert negotiate({"ApiVersion": newest, "MinAPIVersion": oldest}) == spoken


def test_an_engine_that_is_too_old_is_told_apart() -> None:
    with pytest.raises(EngineUnavailable, match=r"1\.40"):
        negotiate({"ApiVersion": "1.40"})


def test_what_an_engine_leaves_out_is_no_error() -> None:
    assert engine_info({}).cpus == 0
    assert engine_event({}).action == ""
    assert engine_event({"Action": "exec_create: sh -c true"}).action == "exec_create"
    listed = listed_container({"Id": "1", "Names": ["/other/alias", "/rh-x"], "Labels": None})
    assert (listed.name, listed.labels) == ("rh-x", {})
