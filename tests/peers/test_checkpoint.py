"""Whoever clears the checkpoint finds the reactor standing still."""

import threading

from sightline.peers.checkpoint import Checkpoint

ROUNDS = 3000


def test_the_reactor_never_moves_while_it_is_closed() -> None:
    checkpoint = Checkpoint()
    moved = 0
    is_over = threading.Event()

    def react() -> None:
        nonlocal moved
        while not is_over.is_set():
            checkpoint.wait()
            moved += 1

    reactor = threading.Thread(target=react)
    reactor.start()
    for _ in range(ROUNDS):
        checkpoint.clear()
        before = moved
        sum(range(200))  # time enough for a reactor that was let through
        assert moved == before
        checkpoint.set()
    is_over.set()
    reactor.join()
    assert moved
