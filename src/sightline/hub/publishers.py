"""Publishers whose model packages the site takes, each with the key that proves them."""

import dataclasses

import sqlalchemy as sa

from sightline import clock
from sightline.catalog.hub_tables import PUBLISHER
from sightline.errors import NameTaken, Refused, UnknownName
from sightline.hub.hub import Hub
from sightline.values.package import Publisher

_LONGEST_NAME = 200


def trust(hub: Hub, name: str, public_key: str, *, by: str = "", replace: bool = False) -> None:
    """Take packages that this key signed as this publisher's.

    Args:
        hub: the store.
        name: as the publisher's packages give it.
        public_key: as hexadecimal digits.
        by: who says so.
        replace: whether another key may stand there now.

    Raises:
        NameTaken: The publisher is known by another key.
        Refused: The name is none.
    """
    if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
        raise Refused("a publisher has a name", hint="Write it as its packages give it.")
    now = clock.now().isoformat()
    made = Publisher(name=name, public_key=public_key, trusted_by=by, trusted_at=now)
    is_it = PUBLISHER.c.name == name
    with hub.database.write() as connection:
        known = connection.execute(sa.select(PUBLISHER.c.public_key).where(is_it)).scalar()
        if known == public_key:
            return
        if known is not None and not replace:
            raise NameTaken(
                f"{name} is known by another key, {known[:16]}",
                hint="Ask the publisher by another way than the package whether the key changed; "
                "then say --replace.",
            )
        connection.execute(PUBLISHER.delete().where(is_it))
        connection.execute(PUBLISHER.insert().values(**dataclasses.asdict(made)))


def distrust(hub: Hub, name: str) -> None:
    """Take no more packages of a publisher; models that came from it stay.

    Raises:
        UnknownName: There is none of this name.
    """
    with hub.database.write() as connection:
        gone = connection.execute(PUBLISHER.delete().where(PUBLISHER.c.name == name))
    if not gone.rowcount:
        raise _unknown(name)


def publishers(hub: Hub) -> list[Publisher]:
    """List the publishers that the site trusts."""
    with hub.database.read() as connection:
        rows = connection.execute(sa.select(PUBLISHER).order_by(PUBLISHER.c.name)).mappings().all()
    return [Publisher(**row) for row in rows]


def publisher(hub: Hub, name: str) -> Publisher:
    """Return a publisher that the site trusts.

    Raises:
        UnknownName: There is none of this name.
    """
    for each in publishers(hub):
        if each.name == name:
            return each
    raise _unknown(name)


def _unknown(name: str) -> UnknownName:
    return UnknownName(
        f"no publisher called {name!r} is trusted here",
        hint="`sightline models publishers` lists them. Get the publisher's key by another way "
        "than the package, then: sightline models trust PUBLISHER KEYFILE",
    )
