"""One process holds a data folder; the node in it keeps its name."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runnerhub.adapters.data_folder import DataFolder, DataFolderBusy, DataFolderError

HOLD = """
import sys, time, pathlib
from runnerhub.adapters.data_folder import DataFolder
folder = DataFolder.open(pathlib.Path(sys.argv[1]))
print(folder.node_id, flush=True)
time.sleep(60)
"""


def test_it_is_made_for_its_owner_alone_and_the_node_keeps_its_id(tmp_path: Path) -> None:
    with DataFolder.open(tmp_path / "deep" / "data") as first:
        node_id = first.node_id
        assert len(node_id) == 32
        assert first.path.stat().st_mode & 0o777 == 0o700
    with DataFolder.open(tmp_path / "deep" / "data") as second:
        assert second.node_id == node_id


def test_a_second_opener_is_told_who_holds_it_and_a_kill_releases_it(tmp_path: Path) -> None:
    path = tmp_path / "data"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        node_id = holder.stdout.readline().strip()
        with pytest.raises(DataFolderBusy, match=f"process {holder.pid}") as refused:
            DataFolder.open(path)
        assert refused.value.holder_pid == holder.pid
        holder.send_signal(signal.SIGKILL)
    with DataFolder.open(path) as mine:
        assert mine.node_id == node_id
        assert (path / "lock").read_text() == f"{os.getpid()}\n"


def test_closing_twice_is_harmless(tmp_path: Path) -> None:
    folder = DataFolder.open(tmp_path / "data")
    folder.close()
    folder.close()
    DataFolder.open(tmp_path / "data").close()


def test_a_folder_that_others_may_write_into_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.mkdir()
    path.chmod(0o777)
    with pytest.raises(DataFolderError, match="Others may write"):
        DataFolder.open(path)
    assert path.stat().st_mode & 0o777 == 0o777


def test_a_file_in_its_place_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_text("")
    with pytest.raises(DataFolderError, match="cannot be used"):
        DataFolder.open(path)
