"""Blobs in an S3 bucket; a put is answered only after S3 answered it.

Endpoint, region and credentials come from the environment, as for every S3 client
(`AWS_ENDPOINT_URL`, `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`).
"""

import dataclasses
import datetime as dt
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import S3Store

from sightline import clock
from sightline.errors import BadSettings

_PART = 2
# A sender waits for our answer: better to refuse, and be sent it again, than to hang.
_RETRIES = {"max_retries": 3, "retry_timeout": dt.timedelta(seconds=20)}


@dataclasses.dataclass(frozen=True, slots=True)
class _BegunPut:
    """Bytes that wait for their name."""

    blobs: "S3Blobs"
    content: bytes

    def keep(self, name: str) -> None:
        """Put them at `name`."""
        self.blobs.write(name, self.content)

    def drop(self) -> None:
        """Do nothing: nothing was sent."""


@dataclasses.dataclass(frozen=True, slots=True)
class S3Blobs:
    """Blobs below a prefix of a bucket."""

    bucket: S3Store

    @classmethod
    def open(cls, url: str, part: str) -> Self:
        """Use `part` below the prefix of `s3://bucket/prefix`.

        Raises:
            BadSettings: The URL names no bucket, or the bucket cannot be reached.
        """
        parsed = urllib.parse.urlsplit(url)
        if parsed.scheme != "s3" or not parsed.netloc:
            raise BadSettings(
                f"objects_url {url!r} names no bucket", hint="Write s3://bucket/prefix."
            )
        prefix = "/".join(filter(None, (parsed.path.strip("/"), part)))
        try:
            bucket = S3Store(
                parsed.netloc,
                prefix=prefix,
                client_options={"allow_http": True, "timeout": "30 seconds"},
                retry_config=_RETRIES,  # type: ignore[arg-type]  # a TypedDict of theirs
            )
            obstore.list_with_delimiter(bucket)
        except BaseError as error:
            raise BadSettings(
                f"the bucket of {url} cannot be used: {type(error).__name__}",
                hint="Check AWS_ENDPOINT_URL, AWS_REGION and the credentials in the environment.",
            ) from error
        return cls(bucket)

    def begin(self, content: bytes) -> "_BegunPut":
        """Wait for the name: S3 takes nothing without."""
        return _BegunPut(self, content)

    def write(self, name: str, content: bytes) -> None:
        """Put `content` at `name`; when this returns S3 has it."""
        with _network_errors(name):
            obstore.put(self.bucket, _key(name), content)

    def holds(self, name: str, content: bytes) -> bool:  # noqa: ARG002 - the shape of Blobs
        """Answer no: to put it again costs as much as to ask, and makes it young."""
        return False

    def read(self, name: str) -> bytes:
        """Return what lies at `name`."""
        with _network_errors(name):
            return bytes(obstore.get(self.bucket, _key(name)).bytes())

    def read_head(self, name: str, length: int) -> bytes:
        """Return the first bytes of what lies at `name`."""
        with _network_errors(name):
            return bytes(obstore.get_range(self.bucket, _key(name), start=0, length=length))

    def names(self, part: str) -> list[str]:
        """List every name that begins with `part`."""
        with _network_errors(part):
            return sorted(
                each["path"].rpartition("/")[2]
                for batch in obstore.list(self.bucket, prefix=part)
                for each in batch
            )

    def age_s(self, name: str) -> float | None:
        """Tell how long ago `name` was written."""
        try:
            with _network_errors(name):
                written = obstore.head(self.bucket, _key(name))["last_modified"]
        except FileNotFoundError:
            return None
        return clock.timestamp() - written.timestamp()

    def remove(self, name: str, *, older_than_s: float) -> bool:
        """Remove `name` unless it is younger."""
        age_s = self.age_s(name)
        if age_s is None or age_s < older_than_s:
            return age_s is None
        with _network_errors(name):
            obstore.delete(self.bucket, _key(name))
        return True

    def remove_unfinished(self) -> None:
        """Do nothing: S3 knows no half objects."""

    def path(self, name: str) -> Path | None:  # noqa: ARG002 - the shape of Blobs
        """Return None: nothing lies here."""
        return None


def _key(name: str) -> str:
    # The same layout as in a folder, so that either can be copied to the other.
    return f"{name[:_PART]}/{name}"


@contextmanager
def _network_errors(name: str) -> Iterator[None]:
    try:
        yield
    except NotFoundError as error:
        raise FileNotFoundError(name) from error
    except BaseError as error:
        raise OSError(f"S3 failed at {name[:12]}: {type(error).__name__}") from error
