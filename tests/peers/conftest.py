"""DCMTK's archive for every test of this folder."""

from tests.peers.archives import dcmqrscp

__all__ = ["dcmqrscp"]
