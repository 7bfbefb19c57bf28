"""What a model would get is asked from the command line."""

from tests.cli.conftest import Run
from tests.cli.test_models import BUNDLE


def test_without_a_live_model_the_command_says_what_to_do(run: Run) -> None:
    refused = run("route")
    assert refused.returncode == 1
    assert "--model" in refused.stderr


def test_an_archive_is_counted_for_a_model_that_is_not_live(run: Run) -> None:
    assert run("models", "import", BUNDLE, "--name", "blobs").returncode == 0
    done = run("route", "--model", "blobs")
    assert done.returncode == 0, done.stderr
    assert "blobs@1 gets series of 0 of 0 studies" in done.stdout


def test_a_study_that_is_not_there_is_named(run: Run) -> None:
    assert run("models", "import", BUNDLE, "--name", "blobs").returncode == 0
    refused = run("route", "2.25.1", "--model", "blobs")
    assert refused.returncode == 1
    assert "no images of a study 2.25.1" in refused.stderr
