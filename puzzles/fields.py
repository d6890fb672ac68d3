"""Lists of `(key . value)` on chain: the metadata of a unit block and the record of a retirement, written and read.

What we write is canonical: known form of key, each key once, text as NFC UTF-8. What we read was written by anyone,
so reading never fails: whatever is not text is kept as bytes and flagged, never merged with a text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from chia.types.blockchain_format.program import Program

from puzzles.errors import RecordError
from puzzles.tree import is_readable

KEY_FORM = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
MAX_VALUE_BYTES = 1024
MAX_FIELDS = 32
SALT_BYTES = 32

MAX_READ_FIELDS = 256
"""Entries of a longer list are left out, and the list flagged."""

NO_HASH = bytes(32)
"""Stands for the hash of a tree too large to be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One entry as the chain shows it.

    `value` is the text; None if the value is committed (`commitment`, 32 bytes) or not text (`raw`, the bytes).
    """

    key: str
    value: str | None = None
    commitment: bytes | None = None
    raw: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """A list as read: its entries in chain order, and whether all of it reads as the canonical form.

    A tree of more than `tree.MAX_READ_NODES` nodes has no entries, and NO_HASH.
    """

    entries: tuple[Field, ...]
    is_canonical: bool
    tree_hash: bytes

    def text(self, key: str) -> str | None:
        """The value of that key, or None; also None when the list shows the key more than once."""
        found = [field for field in self.entries if field.key == key]
        return found[0].value if len(found) == 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateField:
    """A field kept off chain: what the holder keeps in order to prove it later. The salt is exactly 32 bytes."""

    key: str
    value: str
    salt: bytes

    def __post_init__(self) -> None:
        """Hold the form, so that a commitment opens in one way only."""
        check_field(self.key, self.value)
        if len(self.salt) != SALT_BYTES:
            raise RecordError(f"the salt of {self.key} has {len(self.salt)} bytes: expected exactly {SALT_BYTES}")

    @property
    def commitment(self) -> bytes:
        """`sha256tree((key . (salt . value)))`, 32 bytes: what goes on chain."""
        return bytes(Program.to((self.key.encode(), (self.salt, self.value.encode()))).get_tree_hash())


def check_field(key: str, value: str) -> None:
    """Raise RecordError unless key and value can stand on chain in canonical form."""
    if not KEY_FORM.fullmatch(key):
        raise RecordError(
            f"the field name {key!r} cannot be written on chain: expected small letters, digits and underscores, "
            "starting with a letter, at most 40 characters"
        )
    try:
        size = len(value.encode())
    except UnicodeEncodeError as error:
        raise RecordError(f"the value of {key} is not text that UTF-8 can write") from error
    if not value or size > MAX_VALUE_BYTES:
        raise RecordError(f"the value of {key} has {size} bytes: expected 1 to {MAX_VALUE_BYTES}; leave the field out")
    if unicodedata.normalize("NFC", value) != value or any(unicodedata.category(char) == "Cc" for char in value):
        raise RecordError(f"the value of {key} is not canonical: expected NFC text without control characters")


def canonical_text(value: str) -> str:
    """The text in the form that goes on chain: NFC, no white space around it."""
    return unicodedata.normalize("NFC", value.strip())


def write_fields(public: Iterable[tuple[str, str]], committed: Iterable[PrivateField] = ()) -> Program:
    """The list on chain: `(key . value)` for a public field, `(key commitment)` for a committed one, in that order.

    Raises RecordError for a field that is not canonical, a key given twice, or more than 32 fields.
    """
    entries: list[tuple[bytes, object]] = []
    keys: set[str] = set()
    for key, value in public:
        check_field(key, value)
        entries.append((key.encode(), value.encode()))
        _once(keys, key)
    for field in committed:
        entries.append((field.key.encode(), [field.commitment]))
        _once(keys, field.key)
    if len(entries) > MAX_FIELDS:
        raise RecordError(f"{len(entries)} fields are too many: expected at most {MAX_FIELDS}")
    return Program.to(entries)


def _once(keys: set[str], key: str) -> None:
    if key in keys:
        raise RecordError(f"the field {key} is given twice: expected each field once, public or private")
    keys.add(key)


def read_fields(tree: Program) -> Fields:
    """The entries of any tree that a stranger may have put on chain; never raises, flags what is not canonical."""
    if not is_readable(tree):
        return Fields(entries=(), is_canonical=False, tree_hash=NO_HASH)
    tree_hash = bytes(tree.get_tree_hash())
    entries: list[Field] = []
    is_canonical = True
    keys: set[str] = set()
    rest = tree
    while rest.pair is not None:
        if len(entries) >= MAX_READ_FIELDS:
            return Fields(entries=tuple(entries), is_canonical=False, tree_hash=tree_hash)
        entry, rest = Program(rest.pair[0]), Program(rest.pair[1])
        field = _read_entry(entry)
        entries.append(field)
        is_canonical = is_canonical and _is_canonical(field) and field.key not in keys
        keys.add(field.key)
    is_canonical = is_canonical and rest.atom == b"" and len(entries) <= MAX_FIELDS
    return Fields(entries=tuple(entries), is_canonical=is_canonical, tree_hash=tree_hash)


def _read_entry(entry: Program) -> Field:
    """One entry; a thing of another shape is named by its hash and carries nothing."""
    if entry.pair is None:
        return Field(key="", raw=(entry.atom or b"")[:MAX_VALUE_BYTES])
    key_tree, value = Program(entry.pair[0]), Program(entry.pair[1])
    key_bytes = key_tree.atom if key_tree.atom is not None else bytes(key_tree.get_tree_hash())
    key = _text(key_bytes[:MAX_VALUE_BYTES]) if key_tree.atom is not None else None
    name = key if key is not None and KEY_FORM.fullmatch(key) else "0x" + key_bytes[:MAX_VALUE_BYTES].hex()
    if value.atom is not None:
        text = _text(value.atom) if len(value.atom) <= MAX_VALUE_BYTES else None
        if text:
            return Field(key=name, value=text)
        return Field(key=name, raw=value.atom[:MAX_VALUE_BYTES])
    assert value.pair is not None
    inner, end = Program(value.pair[0]), Program(value.pair[1])
    if inner.atom is not None and len(inner.atom) == SALT_BYTES and end.atom == b"":
        return Field(key=name, commitment=inner.atom)
    return Field(key=name, raw=bytes(value.get_tree_hash()))


def _text(data: bytes) -> str | None:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    return text if unicodedata.normalize("NFC", text) == text else None


def _is_canonical(field: Field) -> bool:
    if not KEY_FORM.fullmatch(field.key):
        return False
    if field.value is None:
        return field.commitment is not None
    return not any(unicodedata.category(char) == "Cc" for char in field.value)


def commitment_opens(commitment: bytes, *, key: str, value: str, salt: bytes) -> bool:
    """Whether the disclosed field is the one that was committed."""
    if len(salt) != SALT_BYTES:
        return False
    tree = Program.to((key.encode(), (salt, value.encode())))
    return bytes(tree.get_tree_hash()) == commitment


def fresh_salt(seed: bytes, label: str) -> bytes:
    """A salt that only the holder of the secret seed can make again: sha256 of both, 32 bytes."""
    return sha256(sha256(seed).digest() + label.encode()).digest()
