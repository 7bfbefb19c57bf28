"""HL7 v2 messages and their sender, for tests of what receives them."""

import socket
from types import TracebackType
from typing import Self

from tests.counterparties import HOST

START, END = b"\x0b", b"\x1c\r"


def message(kind: str, *segments: str, control_id: str, facility: str = "HOUSE") -> bytes:
    """Write a message with the usual separators; its character set is UTF-8."""
    head = f"MSH|^~\\&|ADT|{facility}|SIGHTLINE||20240201120000||{kind}|{control_id}|P|2.5.1"
    head += "||||||UNICODE UTF-8"
    return "".join(f"{segment}\r" for segment in (head, *segments)).encode()


class Sender:
    """One MLLP connection that sends and waits for the answer."""

    def __init__(self, port: int, *, timeout_s: float = 30.0) -> None:
        self.socket = socket.create_connection((HOST, port), timeout=timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.socket.close()

    def send(self, content: bytes) -> bytes:
        """Send one message and return its acknowledgment, without the frame."""
        self.socket.sendall(START + content + END)
        return self.receive()

    def receive(self) -> bytes:
        """Return the next answer; empty where the connection was closed instead."""
        came = b""
        while not came.endswith(END):
            part = self.socket.recv(65536)
            if not part:
                return b""
            came += part
        assert came.startswith(START)
        return came[len(START) : -len(END)]


def code_of(answer: bytes) -> str:
    """Return what an acknowledgment says: AA, AE or AR."""
    msa = next(line for line in answer.decode("ascii").split("\r") if line.startswith("MSA|"))
    return msa.split("|")[1]
