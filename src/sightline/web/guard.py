"""What every request and every answer must satisfy: the right host, and security headers."""

from collections.abc import Iterable
from ipaddress import ip_address

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PAGES_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    # What names a patient must not lie in a browser's cache on disk.
    "Cache-Control": "no-store",
    "Content-Security-Policy": _PAGES_POLICY,
}
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Guard:
    """Refuses foreign hosts and pages, and adds the headers that an answer does not set itself.

    While we listen on loopback only, a request that names another host comes from a page that
    had its own name point to us (DNS rebinding), and could read patients' data. A browser says
    which page a request comes from; one of another site could store instances of its own making.
    """

    def __init__(self, app: ASGIApp, host: str) -> None:
        self._app = app
        self._hosts = _LOOPBACK_NAMES | {host.lower()} if _is_loopback(host) else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _EVERYWHERE.items():
                    headers.setdefault(name, value)
            await send(message)

        if self._hosts is not None and _host_of(scope) not in self._hosts:
            refusal = PlainTextResponse("This server answers to localhost only.", 421)
            await refusal(scope, receive, send_guarded)
            return
        if scope["method"] not in _SAFE_METHODS and _is_from_another_site(Headers(scope=scope)):
            refusal = PlainTextResponse("Another site's page may not change anything here.", 403)
            await refusal(scope, receive, send_guarded)
            return
        await self._app(scope, receive, send_guarded)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _is_from_another_site(headers: Headers) -> bool:
    """Tell whether a browser sends this for a page that is not ours; programs say nothing."""
    if headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
        return True
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2].lower() != headers.get("host", "")


def _host_of(scope: Scope) -> str:
    host = Headers(scope=scope).get("host", "").lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def viewer_policy(script_hashes: Iterable[str]) -> str:
    """Return the policy of the viewer; its own inline scripts are allowed by their hashes.

    Its array library makes loops with `new Function`, so `unsafe-eval` must be allowed; without
    it no segmentation loads.
    """
    scripts = " ".join(f"'{each}'" for each in script_hashes)
    return (
        "default-src 'self'; "
        f"script-src 'self' 'unsafe-eval' blob: {scripts}; "
        "worker-src 'self' blob:; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; "
        "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
    )
