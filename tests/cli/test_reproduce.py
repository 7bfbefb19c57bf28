"""What is to be proven is named, or the command says what could be."""

from tests.cli.conftest import Run


def test_nothing_named_is_refused_with_what_could_be(run: Run) -> None:
    refused = run("reproduce")
    assert refused.returncode == 1
    assert "--sample" in refused.stderr


def test_a_result_that_nobody_knows_is_refused(run: Run) -> None:
    refused = run("reproduce", "2.25.1")
    assert refused.returncode == 1
    assert "no prediction 2.25.1" in refused.stdout + refused.stderr
    assert "sightline results" in refused.stdout + refused.stderr


def test_a_sample_of_nothing_proves_nothing(run: Run) -> None:
    refused = run("reproduce", "--sample", "3")
    assert refused.returncode == 1
    assert "nothing was published yet" in refused.stderr


def test_options_of_runs_are_not_ignored_for_results(run: Run) -> None:
    refused = run("reproduce", "2.25.1", "--check")
    assert refused.returncode == 1
    assert "are for runs" in refused.stderr
