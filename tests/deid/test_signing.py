"""Signatures are of one key and one message."""

import pytest

from sightline.deid.signing import Signer
from sightline.deid.vault import Vault
from sightline.formats.signature import is_signed
from tests.deid.conftest import KEY


def test_machines_that_share_a_key_sign_alike() -> None:
    first, second = Signer(Vault(KEY)), Signer(Vault(KEY))
    assert first.public_key == second.public_key
    assert first.sign(b"message") == second.sign(b"message")
    assert is_signed(b"message", first.sign(b"message"), second.public_key)


def test_another_key_or_message_is_not_signed() -> None:
    signer, other = Signer(Vault(KEY)), Signer(Vault(bytes(32)))
    signature = signer.sign(b"message")
    assert signer.public_key != other.public_key
    assert not is_signed(b"message", signature, other.public_key)
    assert not is_signed(b"messagf", signature, signer.public_key)


@pytest.mark.parametrize("odd", ["", "zz", "00", "ü", "00" * 64, "00" * 32])
def test_what_is_no_signature_or_key_signs_nothing(odd: str) -> None:
    signer = Signer(Vault(KEY))
    assert not is_signed(b"message", odd, signer.public_key)
    assert not is_signed(b"message", signer.sign(b"message"), odd)


def test_no_derived_key_is_a_name() -> None:
    vault = Vault(KEY)
    found = {vault.derived("a"), vault.derived("b"), vault.derived("a", "b"), vault.derived("ab")}
    assert len(found) == 4
    assert bytes.fromhex(vault.fingerprint) not in {vault.derived("fingerprint"), *found}
