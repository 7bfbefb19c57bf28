"""Signatures of a hub: Ed25519 (RFC 8032), with a key derived from the hub's own."""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sightline.deid.vault import Vault


class Signer:
    """Signs with the private half; machines that share a vault sign alike."""

    def __init__(self, vault: Vault) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(vault.derived("signature"))

    @property
    def public_key(self) -> str:
        """32 bytes as hexadecimal digits."""
        raw = self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return raw.hex()

    def sign(self, message: bytes) -> str:
        """Return the signature, 64 bytes as hexadecimal digits."""
        return self._private.sign(message).hex()


def is_signed(message: bytes, signature: str, public_key: str) -> bool:
    """Tell whether a signature is of this message and key; what is no signature is none."""
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
        key.verify(bytes.fromhex(signature), message)
    except (ValueError, InvalidSignature):
        return False
    return True
