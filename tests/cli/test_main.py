"""The root of the command: what it lists, loads and says when something is wrong."""

import os
import subprocess
import sys

import pytest

from sightline.cli.main import verb_files
from tests.cli.conftest import Run


def test_the_list_has_every_verb_with_its_help(run: Run) -> None:
    listed = run("--help").stdout
    for verb in verb_files():
        assert f"  {verb} " in listed
    assert "Import DICOM files from a folder" in listed
    assert run().stderr.strip() == listed.strip()


@pytest.mark.parametrize("arguments", [("--help",), ("version",)])
def test_listing_and_light_verbs_load_nothing_heavy(arguments: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "sightline", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}
    heavy = {"torch", "pydicom", "pynetdicom", "highdicom", "sqlalchemy", "alembic", "fastapi"}
    assert loaded & heavy == set()
    assert done.stdout


@pytest.mark.parametrize("verb", ["import", "annotate", "send", "studies"])
def test_a_verb_explains_itself(run: Run, verb: str) -> None:
    done = run(verb, "--help")
    assert done.returncode == 0, done.stderr
    assert f"Usage: sightline {verb}" in done.stdout


def test_an_unknown_verb(run: Run) -> None:
    done = run("imprt")
    assert done.returncode == 2
    assert "No such command 'imprt'" in done.stderr


def test_an_error_of_ours_is_told_with_its_hint(run: Run) -> None:
    done = run("send", "nowhere", "missing")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines()[-2:] == [
        "error: no peer is called 'nowhere' (known: none)",
        "  hint: Name it in the setting `peers`, or write AETITLE@host:port.",
    ]
    assert "Traceback" not in done.stderr


def test_a_setting_that_does_not_validate_is_named(run: Run) -> None:
    done = run("studies", SIGHTLINE_WEB_PORT="many")
    assert done.returncode == 1
    assert "setting 'web_port'" in done.stderr


def test_the_data_directory_of_the_command_line_comes_first(run: Run) -> None:
    assert run("--data-dir", "elsewhere", "studies").returncode == 0
    with_file = run("--data-dir", "elsewhere", "studies", SIGHTLINE_LOG_LEVEL="ERROR")
    assert with_file.returncode == 0
    assert not with_file.stderr


@pytest.mark.parametrize(("verb", "gives"), [("train", True), ("verify", True), ("up", False)])
def test_who_gives_way(verb: str, gives: bool) -> None:
    code = (
        "import os, sys\n"
        "from sightline.cli import main\n"
        "try:\n"
        "    main.main()\n"
        "finally:\n"
        "    print('nice', os.getpriority(os.PRIO_PROCESS, 0))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, verb, "--help"],
        capture_output=True,
        text=True,
        check=True,
        start_new_session=True,
    )
    before = os.getpriority(os.PRIO_PROCESS, 0)
    assert done.stdout.splitlines()[-1] == f"nice {19 if gives else before}"
