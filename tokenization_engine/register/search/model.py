"""The tables of the search index: for every word and every value that units and projects are searched by, who has it.

Units and projects are numbered in the order in which they came into the register, and a set of numbers is a Roaring
bitmap, so that any combination of conditions is a few set operations: the count is exact, and page 9,000 is found as
fast as the first. The rows hang on the records of the register and hold nothing of their own; `index.py` writes
them in the transaction of the records, and they can be made anew at any time.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from tokenization_engine.register.model import Base

CHUNK_BITS = 16
"""A bitmap is cut every 2**16 numbers, where Roaring's own containers end: 8 KiB at most in a row."""


class SearchBitmap(Base):
    """Which numbers of one chunk have a term, as a Roaring bitmap (portable format) of whole numbers."""

    __tablename__ = "search_bitmaps"

    term: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    chunk: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    bits: Mapped[bytes] = mapped_column(LargeBinary)


class SearchUnit(Base):
    """The number of a unit."""

    __tablename__ = "search_units"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    unit_id: Mapped[str] = mapped_column(String(36), unique=True)


class SearchProject(Base):
    """The number of a project, and the terms under which it and its units stand (hex, one a line)."""

    __tablename__ = "search_projects"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    project_id: Mapped[str] = mapped_column(String(36), unique=True)
    terms: Mapped[str] = mapped_column(Text)


class SearchUnitText(Base):
    """What lists show of the unit of that number, as JSON: to who reads CAD Trust's servers, and to buyers."""

    __tablename__ = "search_unit_texts"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    published: Mapped[str] = mapped_column(Text)
    observed: Mapped[str] = mapped_column(Text)


class SearchProjectText(Base):
    """The same of a project."""

    __tablename__ = "search_project_texts"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    published: Mapped[str] = mapped_column(Text)
    observed: Mapped[str] = mapped_column(Text)


class SearchState(Base):
    """One row: how often the index was made anew; the last entry of the audit trail that it has taken in, and the
    highest numbers given; how often texts were written, and by which version of their shapes.
    """

    __tablename__ = "search_state"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    edition: Mapped[int] = mapped_column(Integer, server_default="0")
    last_entry: Mapped[int] = mapped_column(BigInteger)
    last_unit: Mapped[int] = mapped_column(Integer)
    last_project: Mapped[int] = mapped_column(Integer)
    texts_step: Mapped[int] = mapped_column(BigInteger, server_default="0")
    texts_form: Mapped[int] = mapped_column(Integer, server_default="0")
