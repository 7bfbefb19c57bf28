"""Weights of others, brought in as a user brings them in."""

from pathlib import Path

from tests.cli.conftest import Run

BUNDLE = Path(__file__).parents[1] / "data" / "weights" / "monai"


def test_a_bundle_comes_in_and_the_command_says_what_became_of_it(run: Run) -> None:
    done = run("models", "import", BUNDLE, "--name", "blobs")
    assert done.returncode == 0, done.stderr
    assert "blobs@1 from monai_bundle: 36 layers loaded, 0 adapted, 0 made fresh" in done.stdout
    assert "research use only" in done.stdout


def test_a_folder_of_nothing_known_is_refused_with_what_could_be_given(
    run: Run, tmp_path: Path
) -> None:
    refused = run("models", "import", tmp_path, "--name", "nothing")
    assert refused.returncode == 1
    assert "no kind of folder with weights" in refused.stderr
    assert "plans.json" in refused.stderr


def test_what_learned_elsewhere_is_tried_on_a_collection_that_is_named(run: Run) -> None:
    run("models", "import", BUNDLE, "--name", "blobs")
    refused = run("models", "try", "blobs")
    assert refused.returncode == 1
    assert "--on" in refused.stderr
