"""The order of system calls that makes a file survive power loss."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sightline.store.durable import make_folder, sync_tree, write_durably


def test_content_and_mode(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_durably(path, b"first")
    write_durably(path, b"second", mode=0o600)
    assert path.read_bytes() == b"second"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_failed_write_keeps_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    path.mkdir()
    (path / "inside").touch()
    with pytest.raises(OSError, match="folder"):
        write_durably(path, b"content")  # a file cannot take the place of a folder
    assert [each.name for each in tmp_path.iterdir()] == ["folder"]


def test_folders_are_made_with_their_parents(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b" / "c")
    make_folder(tmp_path / "a" / "b" / "c")
    (tmp_path / "a" / "b" / "file").touch()
    sync_tree(tmp_path)
    assert (tmp_path / "a" / "b" / "c").is_dir()


def test_bytes_are_synced_before_the_name_and_the_name_before_return(tmp_path: Path) -> None:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    script = f"""
from pathlib import Path
from sightline.store.durable import write_durably
write_durably(Path({str(tmp_path / "file")!r}), b"content")
print("returned", flush=True)
"""
    done = subprocess.run(
        [strace, "-e", "trace=write,fsync,rename,renameat2", sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
    )
    calls = re.findall(r"(write|fsync|rename)(?:at2?)?\((.*)", done.stderr)
    order = [name for name, rest in calls if name != "write" or "content" in rest]
    assert order[order.index("write") :][:4] == ["write", "fsync", "rename", "fsync"]
