"""The whole road on phantoms, as the commands a user would type."""

import dataclasses
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from sightline import clock
from sightline.archive.archive import Archive
from sightline.archive.results import published_objects
from sightline.errors import PeerFailed, Refused
from sightline.peers.dimse import echo, parse_destination
from sightline.settings import Settings

_START_TIMEOUT_S = 60.0
_END_TIMEOUT_S = 60.0
_LISTENS_S = 2.0
_CLASSES = "ground_glass,consolidation"
_SITE_A_PATIENTS = 14
_SITE_B_PATIENTS = 12


@dataclasses.dataclass(frozen=True, slots=True)
class Demo:
    """One run of the demo on an empty data directory.

    Attributes:
        say: prints a line for the user.
    """

    settings: Settings
    say: Callable[[str], None]

    def run(self, *, keep_serving: bool) -> None:
        """Run every chapter; with `keep_serving` go on serving until Ctrl-C.

        Raises:
            Refused: The data directory holds something already, or a port is taken.
            PeerFailed: A step of the road failed; its own message stands above.
        """
        self._need_empty_folder()
        self._need_free_ports()
        self.say("Sightline demo: phantom patients only. Research use only.\n")
        began = clock.monotonic()
        try:
            with _ended_as_by_hand(), self._server() as server:
                with tempfile.TemporaryDirectory(prefix="sightline-demo-") as folder:
                    self._play(Path(folder))
                self.say(f"\nDone in {(clock.monotonic() - began) / 60:.1f} minutes.")
                self._say_where_to_look(keep_serving)
                if keep_serving:
                    server.wait()
        except KeyboardInterrupt:
            self.say("Stopping.")

    def _play(self, folder: Path) -> None:
        self._chapter("A first site sends studies, and its readers' masks")
        self._receive(folder / "site-a", site="a", patients=_SITE_A_PATIENTS, first=1)
        self._annotate(folder / "site-a", studies=_SITE_A_PATIENTS)
        self._chapter("A collection, split by subject, and a first model")
        self._do("collections", "make", "chest", "--modality", "CT", "--classes", _CLASSES)
        self._do("train", "covid-chest", "--on", "chest@1")
        self._release("covid-chest@1", "first model")
        self._chapter("A second site with another scanner: fine-tune on its studies")
        self._receive(folder / "site-b", site="b", patients=_SITE_B_PATIENTS, first=101)
        studies = _SITE_A_PATIENTS + _SITE_B_PATIENTS
        self._annotate(folder / "site-b", studies=studies)
        criteria = ("--manufacturer", "Phantom Works B", "--classes", _CLASSES)
        self._do("collections", "make", "chest-b", *criteria, "--test", "0.4")
        fine_tune = ("--from", "covid-chest@1", "--steps", "120")
        self._do("train", "covid-chest", "--on", "chest-b@1", *fine_tune)
        self._release("covid-chest@2", "knows the second scanner")
        self._chapter("A new patient arrives")
        self._receive(folder / "new", site="b", patients=1, first=201)
        self._do("wait", "--studies", str(studies + 1))
        self._do("worklist")
        self._chapter("Which subjects taught the model that drew this contour?")
        self._do("trace", self._newest_segmentation())

    def _receive(self, folder: Path, *, site: str, patients: int, first: int) -> None:
        options = ("--site", site, "--patients", str(patients), "--first", str(first))
        self._do("phantoms", "chest", str(folder), *options)
        self._do("send", self._destination(), str(folder / "dicom"))

    def _annotate(self, folder: Path, *, studies: int) -> None:
        self._do("wait", "--studies", str(studies))
        self._do("annotate", "--table", str(folder / "masks.csv"))
        self._do("wait", "--studies", str(studies))

    def _release(self, model: str, reason: str) -> None:
        self._do("evaluate", model)
        self._do("models", "release", model, "--by", "demo", "--reason", reason)

    def _newest_segmentation(self) -> str:
        archive = Archive.open(self.settings)
        try:
            return next(o.instance_uid for o in published_objects(archive) if o.kind == "SEG")
        finally:
            archive.close()

    def _destination(self) -> str:
        return f"{self.settings.ae_title}@{self.settings.host}:{self.settings.dimse_port}"

    def _do(self, *arguments: str) -> None:
        self.say(f"$ sightline {' '.join(arguments)}")
        done = subprocess.run(self._command(*arguments), env=self._environment(), check=False)  # noqa: S603 - our own command
        if done.returncode:
            raise PeerFailed(
                f"`sightline {arguments[0]}` ended with status {done.returncode}",
                hint=f"Its message stands above; the server's log is {self._log_file()}.",
            )

    @contextmanager
    def _server(self) -> Iterator[subprocess.Popen[bytes]]:
        """Serve until the end of the block, however it ends."""
        self.settings.data_dir.mkdir(parents=True, exist_ok=True)
        self.say("$ sightline up")
        with self._log_file().open("ab") as output:
            server = subprocess.Popen(  # noqa: S603 - our own command
                self._command("up"), env=self._environment(), stdout=output, stderr=output
            )
        try:
            self._wait_for(server)
            yield server
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(timeout=_END_TIMEOUT_S)

    def _wait_for(self, server: subprocess.Popen[bytes]) -> None:
        deadline = clock.monotonic() + _START_TIMEOUT_S
        while not self._answers():
            if server.poll() is not None or clock.monotonic() > deadline:
                server.kill()
                raise PeerFailed(
                    "the server did not start",
                    hint=f"See {self._log_file()}; is another Sightline on these ports?",
                )
            clock.pause(0.2)

    def _answers(self) -> bool:
        try:
            echo(parse_destination(self._destination()), calling_ae="DEMO")
        except PeerFailed:
            return False
        return True

    def _command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "sightline", *arguments]

    def _environment(self) -> dict[str, str]:
        return self.settings.as_environment()

    def _log_file(self) -> Path:
        return self.settings.data_dir / "server.log"

    def _need_empty_folder(self) -> None:
        folder = self.settings.data_dir
        if folder.exists() and any(folder.iterdir()):
            raise Refused(
                f"{folder} is not empty; the demo starts from nothing",
                hint=f"Remove it (rm -r {folder}), or give another --data-dir.",
            )

    def _need_free_ports(self) -> None:
        """See that what answers will be ours: phantoms must not go to somebody's archive."""
        for port in (self.settings.dimse_port, self.settings.web_port):
            try:
                socket.create_connection((self.settings.host, port), _LISTENS_S).close()
            except OSError:
                continue
            raise Refused(
                f"something listens on {self.settings.host}:{port} already",
                hint="Stop it if it is another Sightline, or set SIGHTLINE_DIMSE_PORT and "
                "SIGHTLINE_WEB_PORT to free ports.",
            )

    def _chapter(self, title: str) -> None:
        self.say(f"\n== {title}")

    def _say_where_to_look(self, keep_serving: bool) -> None:
        url = f"http://{self.settings.host}:{self.settings.web_port}/"
        if keep_serving:
            self.say(f"Look at {url} in a browser. Stop with Ctrl-C.")
        else:
            # As a shell finds it that did not activate the environment.
            program = shutil.which("sightline") or str(Path(sys.executable).with_name("sightline"))
            self.say(
                f"Look at it: {program} --data-dir {self.settings.data_dir} up, then open {url}"
            )


@contextmanager
def _ended_as_by_hand() -> Iterator[None]:
    """Let whoever ends this process from outside leave nothing behind, as Ctrl-C does."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {each: signal.signal(each, stop) for each in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
