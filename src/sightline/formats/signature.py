"""Signatures of Ed25519 (RFC 8032), and public keys as PEM files (RFC 8410)."""

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from sightline.errors import BadFile


def is_signed(message: bytes, signature: str, public_key: str) -> bool:
    """Tell whether a signature is of this message and key; what is no signature is none."""
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
        key.verify(bytes.fromhex(signature), message)
    except (ValueError, InvalidSignature):
        return False
    return True


def read_public_key(pem: bytes) -> str:
    """Return the public key of a PEM file as hexadecimal digits.

    Raises:
        BadFile: It holds no public key of Ed25519.
    """
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _no_key() from error
    if not isinstance(key, Ed25519PublicKey):
        raise _no_key()
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def write_public_key(public_key: str) -> bytes:
    """Return the PEM file of a public key."""
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _no_key() -> BadFile:
    return BadFile(
        "the file holds no public key of Ed25519",
        hint="Ask the publisher for what `sightline models key` writes: a PEM file that begins "
        "with BEGIN PUBLIC KEY.",
    )
