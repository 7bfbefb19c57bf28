"""Systems that are told of results: an HL7 listener that does as it is bidden, a FHIR server."""

import dataclasses
import http.server
import json
import socket
import ssl
import threading
import time
import urllib.parse
from collections.abc import Callable
from typing import Any, Self

from tests.counterparties import HOST
from tests.mllp import END, START

Answering = Callable[[socket.socket, bytes], None]


def answer_with(code: str, *, error: str = "", of: str = "") -> Answering:
    """Acknowledge with a code, quoting the message's own control id or another."""

    def answering(connection: socket.socket, message: bytes) -> None:
        control_id = of or control_id_of(message)
        lines = [
            "MSH|^~\\&|X|Y|||20260101||ACK|1|P|2.5.1||||||UNICODE UTF-8",
            f"MSA|{code}|{control_id}",
        ]
        lines += [error] if error else []
        connection.sendall(START + "".join(f"{line}\r" for line in lines).encode() + END)

    return answering


def control_id_of(message: bytes) -> str:
    return message.split(b"|")[9].decode()


def say_nothing(connection: socket.socket, _message: bytes) -> None:
    connection.settimeout(30)
    connection.recv(1)


def close(connection: socket.socket, _message: bytes) -> None:
    connection.shutdown(socket.SHUT_RDWR)


def close_in_the_middle(connection: socket.socket, message: bytes) -> None:
    connection.sendall(START + b"MSH|^~\\&|X|Y|||20260101||ACK|1|P|2.5.1\rMSA|A")
    close(connection, message)


def say_something_else(connection: socket.socket, _message: bytes) -> None:
    connection.sendall(START + b"hello" + END)


def trickle(connection: socket.socket, _message: bytes) -> None:
    connection.sendall(START)
    for _ in range(100):
        time.sleep(0.1)
        connection.sendall(b"M")


class Hl7Listener:
    """Keeps each message, then answers as it is bidden; `answering` may change at any time."""

    def __init__(
        self, answering: Answering, *, port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        self.answering = answering
        self.messages: list[bytes] = []
        self._tls = tls
        self._listening = socket.create_server((HOST, port))
        self._listening.settimeout(0.1)
        self.port = int(self._listening.getsockname()[1])
        self._connection: socket.socket | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        self._listening.close()

    def release(self) -> None:
        """Close the connection on which something is waited for."""
        if self._connection is not None:
            self._connection.shutdown(socket.SHUT_RDWR)

    def control_ids(self) -> list[str]:
        return [control_id_of(each) for each in self.messages]

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = self._listening.accept()
            except TimeoutError:
                continue
            with connection:
                try:
                    self._serve(connection)
                except OSError:
                    continue  # the sender left

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(10)
        self._connection = connection
        if self._tls is not None:
            with self._tls.wrap_socket(connection, server_side=True) as wrapped:
                self._take(wrapped)
        else:
            self._take(connection)

    def _take(self, connection: socket.socket) -> None:
        came = b""
        while not came.endswith(END):
            part = connection.recv(65536)
            if not part:
                return
            came += part
        self.messages.append(came[1:-2])
        self.answering(connection, came[1:-2])


@dataclasses.dataclass
class FhirServer:
    """Does transactions of conditional creates and updates as FHIR R4 says (http.html).

    Attributes:
        resources: what it has, by type and id.
        bundles: every transaction that came, done or not.
        refusals: statuses and bodies to answer with instead, first to last.
        lose_answers: how many transactions to do without telling.
    """

    resources: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    versions: dict[str, int] = dataclasses.field(default_factory=dict)
    bundles: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    refusals: list[tuple[int, bytes]] = dataclasses.field(default_factory=list)
    lose_answers: int = 0
    pause_s: float = 0.0

    def serve(self, *, port: int = 0, tls: ssl.SSLContext | None = None) -> "Serving":
        return Serving(self, port, tls)

    def ids(self) -> list[str]:
        return [each["identifier"]["value"] for each in self.bundles]

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [each for name, each in self.resources.items() if name.startswith(f"{kind}/")]

    def transact(self, bundle: dict[str, Any]) -> dict[str, Any]:
        names = {entry["fullUrl"]: self._name(entry) for entry in bundle["entry"]}
        answers = []
        for entry in bundle["entry"]:
            name = names[entry["fullUrl"]]
            if entry["request"]["method"] == "PUT" or name not in self.resources:
                self.versions[name] = self.versions.get(name, 0) + 1
                text = json.dumps(entry["resource"])
                for full_url, each in names.items():
                    text = text.replace(f'"{full_url}"', f'"{each}"')
                self.resources[name] = json.loads(text)
            answers.append({"response": {"status": "200 OK", "location": name}})
        return {"resourceType": "Bundle", "type": "transaction-response", "entry": answers}

    def _name(self, entry: dict[str, Any]) -> str:
        request = entry["request"]
        if request["method"] == "PUT":
            return str(request["url"])
        (token,) = urllib.parse.parse_qs(request["ifNoneExist"])["identifier"]
        system, _, value = token.replace("\\|", "\0").partition("|")
        wanted = (system, value.replace("\0", "|"))
        for name, each in self.resources.items():
            own = {(one.get("system"), one["value"]) for one in each.get("identifier", ())}
            if name.startswith(f"{request['url']}/") and wanted in own:
                return name
        return f"{request['url']}/{len(self.resources) + 1}"


class _Serving:
    """A web server of its own that runs while it is entered."""

    def _serve(self, server: http.server.HTTPServer) -> None:
        self._http = server
        self._thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


class Serving(_Serving):
    """A FHIR server that listens until it is left."""

    def __init__(self, server: FhirServer, port: int, tls: ssl.SSLContext | None) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                bundle = json.loads(content)
                server.bundles.append(bundle)
                time.sleep(server.pause_s)
                status, body = 200, b""
                if server.refusals:
                    status, body = server.refusals.pop(0)
                else:
                    body = json.dumps(server.transact(bundle)).encode()
                if server.lose_answers:
                    server.lose_answers -= 1
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Type", "application/fhir+json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        web = http.server.ThreadingHTTPServer((HOST, port), Handler)
        web.daemon_threads = True
        # A sender that left, or trusted nobody.
        web.handle_error = lambda *_: None  # type: ignore[method-assign]
        scheme = "http"
        if tls is not None:
            web.socket = tls.wrap_socket(web.socket, server_side=True)
            scheme = "https"
        self.url = f"{scheme}://{HOST}:{web.server_address[1]}/fhir"
        self._serve(web)


class WebService(_Serving):
    """Keeps path, content type and body of each request, and always answers the same."""

    def __init__(self, answer: tuple[int, bytes]) -> None:
        requests: list[tuple[str, str, bytes]] = []
        status, body = answer

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                requests.append((self.path, self.headers["Content-Type"], content))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.requests = requests
        server = http.server.HTTPServer((HOST, 0), Handler)
        self.url = f"http://{HOST}:{server.server_address[1]}"
        self._serve(server)


def server_side(certificate: object, key: object) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(str(certificate), str(key))
    return context
