"""The retirement certificate: one JSON text from which anyone recomputes the receipt's coin id.

The id of a receipt commits to the coin that was burnt, to how much of it, and to the record; the id of the burnt coin
commits to the token, and the token to registry, serials and metadata. So nothing in a certificate needs to be believed
but that its receipt is on chain, which a node shows, or, under `proof`, the header of the block that spent the receipt
(sealed it). It proves a token of *this* registry; that the registry is the genuine one, and that the block is one of
the chain, is for the reader to know.

There is one way to write a certificate, and no other is read: sorted keys, no spaces, UTF-8, lower-case hex with 0x,
no unknown key and none twice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from chia.types.blockchain_format.program import Program
from chia_rs import Coin
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint64

from puzzles.cat import cat_puzzle_hash
from puzzles.errors import CertificateError, PuzzleError
from puzzles.fields import Fields, PrivateField, commitment_opens, read_fields
from puzzles.header_proof import HeaderProof, read_foliage, read_transaction_block
from puzzles.merkle_path import read_path, write_path
from puzzles.retirement import receipt_coin
from puzzles.strict_json import StrictObject, canonical, parse_strictly
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


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A retirement as its certificate states it; raises CertificateError if it contradicts itself.

    The coin that burnt is given by its parent, inner puzzle hash and amount. `serials` is the range that the fixed
    rule gives this retirement, as an explorer stated it; None if not stated. `proof` is None as long as none was asked
    of a node, or the receipt is open.
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
    proof: HeaderProof | None = None

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
        if self.proof is not None and self.proof.coin_id != self.receipt_id:
            raise CertificateError(
                f"the proof is of the coin 0x{self.proof.coin_id.hex()}: expected the receipt 0x{self.receipt_id.hex()}"
            )

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
    text = canonical(
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
            "proof": None if certificate.proof is None else _proof_json(certificate.proof),
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
    value = parse_strictly(data)
    top = StrictObject(value, "the certificate")
    if top.take("format", str) != FORMAT or top.take("version", int) != VERSION:
        raise CertificateError(f"this is no certificate of the form {FORMAT}, version {VERSION}")
    proof = top.take_any("proof")
    receipt_id = top.hash("receipt_id")
    certificate = _read_parts(top)
    if certificate.receipt_id != receipt_id:
        raise CertificateError(
            f"the certificate contradicts itself: its parts make the receipt 0x{certificate.receipt_id.hex()}, "
            f"but it names 0x{receipt_id.hex()}"
        )
    return certificate if proof is None else replace(certificate, proof=_read_proof(proof, certificate.receipt_id))


def _read_parts(top: StrictObject) -> Certificate:
    coin = StrictObject(top.take_any("coin"), "coin")
    block = StrictObject(top.take_any("unit_block"), "unit_block")
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
            serials=None if serials is None else _read_range(StrictObject(serials, "serials"), series),
        )
    except CertificateError:
        raise
    except PuzzleError as error:
        raise CertificateError(f"the certificate does not hold: {error}") from error
    coin.end()
    top.end()
    return certificate


def _proof_json(proof: HeaderProof) -> dict[str, str]:
    return {
        "foliage": _to_hex(bytes(proof.foliage)),
        "header_hash": _to_hex(proof.header_hash),
        "removal_path": _to_hex(write_path(proof.removal_path)),
        "transaction_block": _to_hex(bytes(proof.transaction_block)),
    }


def _read_proof(item: object, receipt_id: CoinId) -> HeaderProof:
    entry = StrictObject(item, "proof")
    header_hash = entry.hash("header_hash")
    foliage = read_foliage(entry.data("foliage"))
    if foliage.get_hash() != header_hash:
        raise CertificateError(
            f"the foliage of the proof is that of the block 0x{foliage.get_hash().hex()}, "
            f"but the proof names 0x{header_hash.hex()}"
        )
    proof = HeaderProof(
        coin_id=receipt_id,
        removal_path=read_path(entry.data("removal_path")),
        transaction_block=read_transaction_block(entry.data("transaction_block")),
        foliage=foliage,
    )
    entry.end()
    return proof


def _read_private(item: object) -> PrivateField:
    entry = StrictObject(item, "disclosed")
    field = PrivateField(key=entry.take("key", str), value=entry.take("value", str), salt=entry.hash("salt"))
    entry.end()
    return field


def _read_range(item: StrictObject, series: str) -> UnitBlock:
    block = UnitBlock(series=series, first=item.take("first", int), last=item.take("last", int))
    item.end()
    return block


def _range(block: UnitBlock) -> dict[str, int]:
    return {"first": block.first, "last": block.last}


def _to_hex(data: bytes) -> str:
    return "0x" + data.hex()
