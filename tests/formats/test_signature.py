"""Keys and signatures are those of the standard: openssl reads and checks them."""

import subprocess
from pathlib import Path

import pytest

from sightline.errors import BadFile
from sightline.formats.signature import is_signed, read_public_key, write_public_key
from tests.packages import Key


def test_a_key_comes_back_from_its_file() -> None:
    assert read_public_key(write_public_key(Key().public_key)) == Key().public_key


def test_a_signature_is_of_one_message_and_one_key() -> None:
    signature = Key().sign(b"message")
    assert is_signed(b"message", signature, Key().public_key)
    assert not is_signed(b"messagE", signature, Key().public_key)
    assert not is_signed(b"message", signature, Key(2).public_key)
    assert not is_signed(b"message", "none", Key().public_key)


def test_openssl_checks_what_was_signed(tmp_path: Path) -> None:
    for name, content in (
        ("key", write_public_key(Key().public_key)),
        ("message", b"message"),
        ("signature", bytes.fromhex(Key().sign(b"message"))),
    ):
        (tmp_path / name).write_bytes(content)
    checked = subprocess.run(
        [
            "openssl",
            "pkeyutl",
            "-verify",
            "-pubin",
            "-inkey",
            "key",
            "-rawin",
            "-in",
            "message",
            "-sigfile",
            "signature",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        # A key of another kind: X25519.
        (
            b"-----BEGIN PUBLIC KEY-----\n"
            b"MCowBQYDK2VuAyEAHEr7Spk3+r8WzkMdLeyb38XreGU1ufk9kFxhDapIV2g=\n"
            b"-----END PUBLIC KEY-----\n"
        ),
    ],
)
def test_what_is_no_key_is_refused(content: bytes) -> None:
    with pytest.raises(BadFile, match="no public key of Ed25519"):
        read_public_key(content)
