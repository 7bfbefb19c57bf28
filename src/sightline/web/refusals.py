"""Requests that cannot be answered as they are."""

from http import HTTPStatus

from fastapi import HTTPException


class RefusedRequest(HTTPException):
    """Says what is wrong with a request, and what to send instead.

    Attributes:
        problem: what is wrong.
        hint: what to send instead.
    """

    def __init__(self, status: HTTPStatus, problem: str, *, hint: str) -> None:
        super().__init__(status, problem)
        self.problem = problem
        self.hint = hint


def malformed(what: str, hint: str) -> RefusedRequest:
    """Return the refusal of a value that cannot be read."""
    return RefusedRequest(HTTPStatus.BAD_REQUEST, f"{what} is malformed", hint=hint)


def not_acceptable(media_type: str, transfer_syntaxes: str = "") -> RefusedRequest:
    """Return the refusal of an Accept header that none of our representations satisfies.

    Args:
        media_type: what we have.
        transfer_syntaxes: of what is stored, for the hint.
    """
    hint = f"Accept {media_type}"
    if transfer_syntaxes:
        hint += f"; transfer-syntax=* (stored: {transfer_syntaxes})"
    return RefusedRequest(
        HTTPStatus.NOT_ACCEPTABLE, "there is no representation that the client takes", hint=hint
    )


def unsupported(what: str, *, hint: str) -> RefusedRequest:
    """Return the refusal of a body of a kind that we do not take."""
    return RefusedRequest(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"{what} is not taken", hint=hint)
