"""Kinds of columns that several tables have."""

import sqlalchemy as sa

LENGTH = sa.Integer().with_variant(sa.BigInteger(), "postgresql")
"""A count of bytes: SQLite's integers have 64 bits, PostgreSQL's 32."""
