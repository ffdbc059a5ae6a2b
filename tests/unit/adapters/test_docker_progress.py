"""How far a pull is, from the engine's own lines."""

from typing import Any

from runnerhub.adapters.docker.progress import Layers, is_countdown


def line(layer: str, status: str, current: int = 0, total: int = 0) -> dict[str, Any]:
    detail = {"current": current, "total": total} if total else {}
    return {"id": layer, "status": status, "progressDetail": detail}


def test_layers_add_up() -> None:
    layers = Layers()
    assert layers.note({"status": "Pulling from library/debian", "id": "12"}) is None
    assert layers.note({"status": "Digest: sha256:00"}) is None
    layers.note(line("a", "Pulling fs layer"))
    layers.note(line("b", "Already exists"))
    halfway = layers.note(line("a", "Downloading", 5_000_000, 10_000_000))
    assert str(halfway) == "50 % of 10.0 MB, 1 of 2 layers"
    # What is extracted was downloaded, whatever its own progress says.
    assert str(layers.note(line("a", "Extracting", 1, 10_000_000))).startswith("100 %")
    assert str(layers.note(line("a", "Pull complete"))) == "100 % of 10.0 MB, 2 of 2 layers"


def test_sizes_that_nobody_told_are_left_out() -> None:
    assert str(Layers().note(line("a", "Pulling fs layer"))) == "0 of 1 layers"


def test_a_countdown_is_no_progress() -> None:
    assert is_countdown(line("a", "Retrying in 4 seconds"))
    assert not is_countdown(line("a", "Downloading", 1, 2))
    assert not is_countdown({"id": "a"})
