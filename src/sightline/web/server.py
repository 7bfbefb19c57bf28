"""The web server, in a thread of its own beside whatever else the process does."""

import socket
import threading

import uvicorn
from fastapi import FastAPI

from sightline import clock
from sightline.errors import BadSettings
from sightline.settings import Settings

_START_TIMEOUT_S = 20.0
_STOP_TIMEOUT_S = 10.0


class WebServer:
    """Serves an application on `host:web_port`; port 0 takes a free one."""

    def __init__(self, settings: Settings, app: FastAPI) -> None:
        self._host = settings.host
        self._port = settings.web_port
        config = uvicorn.Config(
            app,
            # Uvicorn's own lines quote addresses and exceptions, which may name patients.
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=3,
            ws="none",
        )
        self._server = uvicorn.Server(config)
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where the worklist is, without a slash at the end."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    def start(self) -> None:
        """Listen, and return when requests are answered.

        Raises:
            BadSettings: The address cannot be listened on.
        """
        listener = self._listen()
        self._port = listener.getsockname()[1]
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, name="web", daemon=True
        )
        self._thread.start()
        deadline = clock.monotonic() + _START_TIMEOUT_S
        while not self._server.started:
            if not self._thread.is_alive() or clock.monotonic() > deadline:
                raise BadSettings(
                    f"the web server did not start on {self.url}",
                    hint="The log says why; `web_port` chooses another port.",
                )
            clock.pause(0.01)

    def stop(self) -> None:
        """Finish the requests under way, then stop."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(_STOP_TIMEOUT_S)

    def _listen(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        try:
            listener = socket.create_server((self._host, self._port), family=family, backlog=256)
        except OSError as error:
            raise BadSettings(
                f"cannot listen on {self._host}:{self._port}: {error.strerror}",
                hint="Is another Sightline running? `web_port` chooses another port.",
            ) from error
        # Head and body are written apart; without this the second waits 40 ms for an ACK.
        # asyncio sets it only on sockets that were made with an explicit protocol.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener


def serve_web(settings: Settings, app: FastAPI) -> WebServer:
    """Start a server for `app` and return it.

    Raises:
        BadSettings: The address cannot be listened on.
    """
    server = WebServer(settings, app)
    server.start()
    return server
