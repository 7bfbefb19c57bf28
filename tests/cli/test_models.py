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


def test_a_model_goes_into_shadow_and_its_gate_says_what_is_missing(run: Run) -> None:
    run("models", "import", BUNDLE, "--name", "blobs")
    who = ("--by", "Dr A", "--reason", "look first")
    done = run("models", "shadow", "blobs@1", *who)
    assert done.stdout.startswith("blobs@1 is in shadow; `sightline models gate blobs@1`")
    gate = run("models", "gate", "blobs@1")
    assert gate.returncode == 1
    assert "evaluation\ton the locked test split\tnone\tnot met" in gate.stdout
    refused = run("models", "release", "blobs@1", *who)
    assert refused.returncode == 1
    assert "blobs@1 does not pass its gate: evaluation: asked on the locked" in refused.stderr
    assert "sightline models gate blobs@1" in refused.stderr
    assert run("models", "retire", "blobs@1", *who).stdout == "blobs@1 is retired\n"
    assert "retired" in run("models", "list").stdout
