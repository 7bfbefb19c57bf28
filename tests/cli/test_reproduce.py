"""What is to be proven is named, or the command says what could be."""

from tests.cli.conftest import Run


def test_nothing_named_is_refused_with_what_could_be(run: Run) -> None:
    refused = run("reproduce")
    assert refused.returncode == 1
    assert "--sample" in refused.stderr


def test_a_result_that_nobody_knows_is_refused(run: Run) -> None:
    refused = run("reproduce", "2.25.1")
    assert refused.returncode == 1
    assert "sightline results" in refused.stderr
