"""A reading room is simulated from the command line."""

import json

from tests.cli.conftest import Run

ROOM = ("--per-hour", "10", "--reading-min", "5", "--prevalence", "0.05", "--sensitivity", "0.9")


def test_waits_in_both_orders_are_shown(run: Run) -> None:
    done = run("triage", "simulate", *ROOM, "--specificity", "0.9", "--studies", "20000")
    assert done.returncode == 0, done.stderr
    for said in ("first come, first read", "that the model missed", "are busy 83% of their time"):
        assert said in done.stdout
    found = json.loads(
        run(
            "triage", "simulate", *ROOM, "--specificity", "0.9", "--studies", "20000", "--json"
        ).stdout
    )
    assert found["positives"]["mean"] < found["plain"]["mean"] < found["negatives"]["mean"]


def test_a_room_that_cannot_keep_up_is_refused(run: Run) -> None:
    refused = run("triage", "simulate", *ROOM[2:], "--per-hour", "20", "--specificity", "0.9")
    assert refused.returncode == 1
    assert "the queue grows without end" in refused.stderr
