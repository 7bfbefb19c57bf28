"""The key by which a site vouches for the model packages that it gives away."""

from sightline.deid.signing import Signer
from sightline.deid.vault import Vault
from sightline.settings import Settings

_PURPOSE = "model packages"


def package_signer(settings: Settings) -> Signer:
    """Return what signs packages of this site; its key is another than that of certificates.

    Raises:
        BadSettings: The vault is damaged or missing.
        KeyDestroyed: The hub has no key any more.
        Refused: A rotation was cut off.
    """
    return Signer(Vault.open(settings), _PURPOSE)
