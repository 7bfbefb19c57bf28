"""Who may associate: addresses, AE titles, and how many at a time."""

import dataclasses
import ipaddress
from typing import Self, TypeAlias

from sightline.errors import BadSettings
from sightline.intake.negotiation import (
    CALLED_AE_UNKNOWN,
    CALLING_AE_UNKNOWN,
    AssociationRequest,
    Rejection,
)
from sightline.settings import Settings

_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Admission:
    """The rules of a site.

    Attributes:
        called_ae: the title by which we must be called; empty where any will do.
        calling_aes: the titles that may call; empty where all may.
        networks: from where one may call; empty where from everywhere.
    """

    called_ae: str
    calling_aes: frozenset[str]
    networks: tuple[_Network, ...]

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Read the rules from the settings.

        Raises:
            BadSettings: Something is no network.
        """
        return cls(
            called_ae=settings.ae_title if settings.check_called_ae else "",
            calling_aes=frozenset(_listed(settings.allowed_calling_aes)),
            networks=tuple(map(_network, _listed(settings.allowed_addresses))),
        )

    def lets_in(self, address: str) -> bool:
        """Tell whether connections from an address are taken at all."""
        found = ipaddress.ip_address(address.partition("%")[0])
        if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
            found = found.ipv4_mapped
        return not self.networks or any(found in network for network in self.networks)

    def rejection(self, asked: AssociationRequest) -> Rejection | None:
        """Tell why an association is rejected; None where the titles are right."""
        if self.called_ae and asked.called_ae != self.called_ae:
            return CALLED_AE_UNKNOWN
        if self.calling_aes and asked.calling_ae not in self.calling_aes:
            return CALLING_AE_UNKNOWN
        return None


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _network(text: str) -> _Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise BadSettings(
            f"setting 'allowed_addresses': {text!r} is no address or network",
            hint="Write addresses and networks with commas between: 10.1.2.3, 10.1.0.0/16.",
        ) from error
