"""Real back ends for the stores: both catalogs' engines, and a server that speaks S3."""

import http.client
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.counterparties import HOST, end, free_port, listens, wait_until

MOTO = Path(__file__).parent.parent / ".peers" / "s3" / "bin" / "moto_server"


@pytest.fixture(params=["sqlite", "postgresql"])
def catalog_url(request: pytest.FixtureRequest) -> str:
    """Give the setting of the same name: a test that asks for it runs on both engines."""
    if request.param == "sqlite":
        return ""
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture(scope="session")
def s3_server() -> Iterator[int]:
    """Start a server that speaks S3 and give its port."""
    if not MOTO.exists():
        pytest.skip("no server that speaks S3 in .peers/s3; `make test` puts it there")
    port = free_port()
    process = subprocess.Popen(
        [MOTO, "-H", HOST, "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_until(lambda: listens(port), seconds=60)
    yield port
    end(process)


@pytest.fixture
def s3_url(s3_server: int, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give an empty bucket, and its credentials in the environment."""
    bucket = f"bucket-{uuid.uuid4().hex[:12]}"
    connection = http.client.HTTPConnection(HOST, s3_server, timeout=30)
    connection.request("PUT", f"/{bucket}")
    assert connection.getresponse().status == 200
    connection.close()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{HOST}:{s3_server}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    return f"s3://{bucket}/hospital"
