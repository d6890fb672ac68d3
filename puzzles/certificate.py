"""The retirement certificate: one JSON text from which anyone recomputes the receipt's coin id.

The id of a receipt commits to the coin that was burnt, to how much of it, and to the record; the id of the burnt coin
commits to the token, and the token to registry, serials and metadata. So nothing in a certificate needs to be believed
but that its receipt is on chain, which a node or (later, under `proof`) a block header shows. It proves a token of
*this* registry; that the registry is the genuine one is for the reader to know.

There is one way to write a certificate, and no other is read: sorted keys, no spaces, UTF-8, lower-case hex with 0x,
no unknown key and none twice.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from chia.types.blockchain_format.program import Program
from chia_rs import Coin
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint64

from puzzles.cat import cat_puzzle_hash
from puzzles.errors import CertificateError, PuzzleError
from puzzles.fields import Fields, PrivateField, commitment_opens, read_fields
from puzzles.retirement import receipt_coin
from puzzles.tree import has_at_most, parsed
from puzzles.unit_block_tail import Token, delta_of, token_of
from puzzles.units import (
    MAX_UNITS,
    AssetId,
    CoinId,
    LauncherId,
    PuzzleHash,
    UnitBlock,
)

FORMAT = "carbon-retirement-certificate"
VERSION = 1
MAX_BYTES = 128 * 1024
"""Largest certificate read: many times what a record and metadata in canonical form need."""

_HEX = re.compile(r"0x(?:[0-9a-f]{2})*", re.ASCII)

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A retirement as its certificate states it; raises CertificateError if it contradicts itself.

    The coin that burnt is given by its parent, inner puzzle hash and amount. `serials` is the range that the fixed
    rule gives this retirement, as an explorer stated it; None if not stated.
    """

    genesis_challenge: bytes
    registry_id: LauncherId
    unit_block: UnitBlock
    metadata: Program
    parent_coin_id: CoinId
    inner_puzzle_hash: PuzzleHash
    amount: int
    unit_count: int
    record: Program
    disclosed: tuple[PrivateField, ...] = ()
    serials: UnitBlock | None = None

    def __post_init__(self) -> None:
        """Hold what can be held without a chain."""
        for name in ("genesis_challenge", "registry_id", "parent_coin_id", "inner_puzzle_hash"):
            if len(getattr(self, name)) != 32:
                raise CertificateError(f"the certificate's {name} has not 32 bytes")
        if not 0 <= self.amount < 2**64:
            raise CertificateError(f"the certificate's coin cannot hold {self.amount} mojos")
        if not 0 < self.unit_count <= min(MAX_UNITS, self.unit_block.unit_count):
            raise CertificateError(
                f"{self.unit_count} units cannot be retired of the {self.unit_block.unit_count} of {self.unit_block}"
            )
        self._check_disclosed()
        self._check_serials()

    def _check_disclosed(self) -> None:
        """Each disclosed field opens the one commitment under its key, in the record's order."""
        order = [entry.key for entry in self.fields.entries]
        places: list[int] = []
        for field in self.disclosed:
            found = [entry for entry in self.fields.entries if entry.key == field.key]
            commitment = found[0].commitment if len(found) == 1 else None
            if commitment is None or not commitment_opens(
                commitment, key=field.key, value=field.value, salt=field.salt
            ):
                raise CertificateError(f"the disclosed {field.key} is not the one that the record commits to")
            places.append(order.index(field.key))
        if places != sorted(set(places)):
            raise CertificateError("the disclosed fields are not in the record's order, each once")

    def _check_serials(self) -> None:
        serials, block = self.serials, self.unit_block
        if serials is None:
            return
        is_inside = serials.series == block.series and block.first <= serials.first and serials.last <= block.last
        if not is_inside or serials.unit_count != self.unit_count:
            raise CertificateError(f"the serials {serials} are not {self.unit_count} units of {block}")

    @cached_property
    def fields(self) -> Fields:
        """The record as read: public fields, and commitments."""
        return read_fields(self.record)

    @cached_property
    def token(self) -> Token:
        """The token, recomputed from registry, serials and metadata."""
        return token_of(self.registry_id, self.unit_block, self.metadata)

    @property
    def asset_id(self) -> AssetId:
        """The token's asset id, recomputed."""
        return self.token.asset_id

    @cached_property
    def coin(self) -> Coin:
        """The coin that was burnt, recomputed."""
        puzzle_hash = cat_puzzle_hash(self.asset_id, self.inner_puzzle_hash)
        return Coin(bytes32(self.parent_coin_id), bytes32(puzzle_hash), uint64(self.amount))

    @cached_property
    def receipt(self) -> Coin:
        """The receipt, recomputed: if it is on chain, the retirement happened."""
        return receipt_coin(CoinId(bytes(self.coin.name())), delta_of(self.unit_count), self.record)

    @property
    def receipt_id(self) -> CoinId:
        """The receipt's coin id."""
        return CoinId(bytes(self.receipt.name()))

    @property
    def metadata_fields(self) -> Fields:
        """The token's metadata as read."""
        return read_fields(self.metadata)


def write_certificate(certificate: Certificate) -> str:
    """The certificate's one canonical text; raises CertificateError if it is larger than any reader takes."""
    text = _canonical(
        {
            "coin": {
                "amount": certificate.amount,
                "inner_puzzle_hash": _to_hex(certificate.inner_puzzle_hash),
                "parent_coin_id": _to_hex(certificate.parent_coin_id),
            },
            "disclosed": [
                {"key": field.key, "salt": _to_hex(field.salt), "value": field.value} for field in certificate.disclosed
            ],
            "format": FORMAT,
            "metadata": _to_hex(bytes(certificate.metadata)),
            "network": _to_hex(certificate.genesis_challenge),
            "proof": None,
            "receipt_id": _to_hex(certificate.receipt_id),
            "record": _to_hex(bytes(certificate.record)),
            "registry_id": _to_hex(certificate.registry_id),
            "serials": None if certificate.serials is None else _range(certificate.serials),
            "unit_block": {"series": certificate.unit_block.series, **_range(certificate.unit_block)},
            "unit_count": certificate.unit_count,
            "version": VERSION,
        }
    )
    if len(text.encode()) > MAX_BYTES:
        raise CertificateError(f"the certificate has more than {MAX_BYTES} bytes: its record or metadata is too large")
    return text


def read_certificate(data: bytes) -> Certificate:
    """The certificate of that text; raises CertificateError unless it is in canonical form and consistent.

    Its receipt id is recomputed and compared, so every part that the id commits to is the one that was retired with.
    """
    if len(data) > MAX_BYTES:
        raise CertificateError(f"the certificate has {len(data)} bytes: expected at most {MAX_BYTES}")
    value = _parse(data)
    top = _Object(value, "the certificate")
    if top.take("format", str) != FORMAT or top.take("version", int) != VERSION:
        raise CertificateError(f"this is no certificate of the form {FORMAT}, version {VERSION}")
    if top.take_any("proof") is not None:
        raise CertificateError("the certificate carries a block-header proof, which this version cannot check")
    receipt_id = top.hash("receipt_id")
    certificate = _read_parts(top)
    if certificate.receipt_id != receipt_id:
        raise CertificateError(
            f"the certificate contradicts itself: its parts make the receipt 0x{certificate.receipt_id.hex()}, "
            f"but it names 0x{receipt_id.hex()}"
        )
    return certificate


def _read_parts(top: _Object) -> Certificate:
    coin = _Object(top.take_any("coin"), "coin")
    block = _Object(top.take_any("unit_block"), "unit_block")
    series = block.take("series", str)
    serials = top.take_any("serials")
    disclosed: list[object] = top.take("disclosed", list)
    try:
        certificate = Certificate(
            genesis_challenge=top.hash("network"),
            registry_id=LauncherId(top.hash("registry_id")),
            unit_block=_read_range(block, series),
            metadata=top.program("metadata"),
            parent_coin_id=CoinId(coin.hash("parent_coin_id")),
            inner_puzzle_hash=PuzzleHash(coin.hash("inner_puzzle_hash")),
            amount=coin.take("amount", int),
            unit_count=top.take("unit_count", int),
            record=top.program("record"),
            disclosed=tuple(_read_private(item) for item in disclosed),
            serials=None if serials is None else _read_range(_Object(serials, "serials"), series),
        )
    except CertificateError:
        raise
    except PuzzleError as error:
        raise CertificateError(f"the certificate does not hold: {error}") from error
    coin.end()
    top.end()
    return certificate


def _read_private(item: object) -> PrivateField:
    entry = _Object(item, "disclosed")
    field = PrivateField(key=entry.take("key", str), value=entry.take("value", str), salt=entry.hash("salt"))
    entry.end()
    return field


def _read_range(item: _Object, series: str) -> UnitBlock:
    block = UnitBlock(series=series, first=item.take("first", int), last=item.take("last", int))
    item.end()
    return block


def _range(block: UnitBlock) -> dict[str, int]:
    return {"first": block.first, "last": block.last}


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _to_hex(data: bytes) -> str:
    return "0x" + data.hex()


def _parse(data: bytes) -> object:
    """The JSON value, if the bytes are the one canonical form of it (which a key given twice is not)."""
    try:
        value: object = json.loads(data.decode())
        is_canonical = _canonical(value).encode() == data
    except (ValueError, RecursionError, UnicodeError) as error:
        raise CertificateError("the certificate is not well-formed JSON in UTF-8") from error
    if not is_canonical:
        raise CertificateError(
            "the certificate is not in canonical form: expected sorted keys, each once, no spaces and no line end; "
            "take the file as it was exported"
        )
    return value


class _Object:
    """A JSON object whose keys are taken one by one, so that none is left over unread."""

    def __init__(self, value: object, name: str) -> None:
        if not isinstance(value, dict):
            raise CertificateError(f"{name} is not a JSON object")
        self._left: dict[str, Any] = dict(value)
        self._name = name

    def take_any(self, key: str) -> object:
        """The value of that key; raises CertificateError if it is missing."""
        if key not in self._left:
            raise CertificateError(f"{self._name} has no {key}")
        return self._left.pop(key)

    def take(self, key: str, kind: type[T]) -> T:
        """The value of that key, which must be of exactly that kind."""
        value: Any = self.take_any(key)
        if type(value) is not kind:
            raise CertificateError(f"{key} of {self._name} is of the wrong kind")
        return value

    def data(self, key: str) -> bytes:
        """Bytes of that key's hex."""
        text = self.take(key, str)
        if not _HEX.fullmatch(text):
            raise CertificateError(f"{key} of {self._name} is not lower-case hex after 0x")
        return bytes.fromhex(text[2:])

    def hash(self, key: str) -> bytes:
        """The 32 bytes of that key's hex."""
        data = self.data(key)
        if len(data) != 32:
            raise CertificateError(f"{key} of {self._name} has {len(data)} bytes: expected 32")
        return data

    def program(self, key: str) -> Program:
        """The CLVM tree of that key's hex, serialized in the one plain way."""
        data = self.data(key)
        try:
            program = parsed(data)
            # a back reference unfolds a few bytes to a tree that no memory holds: count before writing it out
            is_plain = has_at_most(program, len(data)) and bytes(program) == data
        except (ValueError, TypeError, AssertionError) as error:
            raise CertificateError(f"{key} of {self._name} is no CLVM tree") from error
        if not is_plain:
            raise CertificateError(f"{key} of {self._name} is not serialized in the one plain way")
        return program

    def end(self) -> None:
        """Raise CertificateError if a key is left that nobody asked for."""
        if self._left:
            raise CertificateError(f"{self._name} has an unknown {min(self._left)!r}")
