"""The settings of scale sets, and what is refused."""

from pathlib import Path

import pytest

from runnerhub.config import ConfigError, Settings, load_settings

POOL = '[[pools]]\nname = "p"\nlabels = ["big"]\nimage = "img"\n'


def load(folder: Path, *scale_sets: str, pool: str = POOL) -> Settings:
    file = folder / "runnerhub.toml"
    file.write_text(pool + "".join(f"[[scale_sets]]\n{each}\n" for each in scale_sets))
    return load_settings(file, {})


def scale_set(scope: str, name: str = "s") -> str:
    return f'name = "{name}"\npool = "p"\nscope = "{scope}"'


@pytest.mark.parametrize(
    ("scope", "read"),
    [
        ("orgs/acme", "orgs/acme"),
        ("/orgs/acme/", "orgs/acme"),
        ("enterprises/acme", "enterprises/acme"),
        ("repos/acme/web", "repos/acme/web"),
        ("acme/web", "repos/acme/web"),
    ],
)
def test_scopes_are_read(tmp_path: Path, scope: str, read: str) -> None:
    (found,) = load(tmp_path, scale_set(scope)).scale_sets
    assert (found.scope, found.max_runners, found.min_runners) == (read, None, 0)


@pytest.mark.parametrize("scope", ["", "acme", "repos/acme", "orgs/a/b", "a b/c", "x/y/z"])
def test_other_scopes_are_refused(tmp_path: Path, scope: str) -> None:
    with pytest.raises(ConfigError, match="scope"):
        load(tmp_path, scale_set(scope))


def test_a_pool_is_needed_that_runners_can_work_in(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is none"):
        load(tmp_path, scale_set("orgs/acme"), pool="")
    with pytest.raises(ConfigError, match="needs an image"):
        load(tmp_path, scale_set("orgs/acme"), pool='[[pools]]\nname = "p"\n')
    with pytest.raises(ConfigError, match="egress"):
        load(tmp_path, scale_set("orgs/acme"), pool=POOL + 'network = "none"\n')


def test_no_two_share_a_name_or_a_pool(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="same name"):
        load(tmp_path, scale_set("orgs/a"), scale_set("orgs/b"))
    with pytest.raises(ConfigError, match="use the pool p"):
        load(tmp_path, scale_set("orgs/a"), scale_set("orgs/b", "t"))
