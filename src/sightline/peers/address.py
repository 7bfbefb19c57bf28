"""Where a peer that speaks over TCP listens, as settings write it."""

import re

_ADDRESS = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^@:/\s]+):(\d{1,5})(/tls)?")
_LAST_PORT = 65535


def parse_address(text: str) -> tuple[str, int, bool] | None:
    """Read `host:port`, with `/tls` behind where it speaks TLS; IPv6 stands in brackets.

    Returns:
        Host, port, and whether it speaks TLS; None where the text is no address.
    """
    match = _ADDRESS.fullmatch(text.strip())
    if not match or not 0 < int(match[2]) <= _LAST_PORT:
        return None
    return match[1].strip("[]"), int(match[2]), bool(match[3])
