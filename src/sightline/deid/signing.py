"""Signatures of a hub: Ed25519 (RFC 8032), with keys derived from the hub's own."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sightline.deid.vault import Vault


class Signer:
    """Signs with the private half; machines that share a vault sign alike.

    Args:
        vault: holds the hub's key.
        purpose: each has a key of its own, so that what is signed for one is nothing for another.
    """

    def __init__(self, vault: Vault, purpose: str = "signature") -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(vault.derived(purpose))

    @property
    def public_key(self) -> str:
        """32 bytes as hexadecimal digits."""
        raw = self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return raw.hex()

    def sign(self, message: bytes) -> str:
        """Return the signature, 64 bytes as hexadecimal digits."""
        return self._private.sign(message).hex()
