"""Who owns a registry, in words: the issuer's key and allotment, and the governor behind its puzzle hash.

The rule guarded here: no key stands on both sides. An issuer who also governs could rotate, and a thief of
the hot key with him.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from chia.types.blockchain_format.program import Program
from chia.wallet.puzzles.p2_delegated_puzzle_or_hidden_puzzle import (
    DEFAULT_HIDDEN_PUZZLE_HASH,
    calculate_synthetic_public_key,
)
from chia_rs import G1Element

from chain.json_values import to_hex
from puzzles.errors import PuzzleError
from puzzles.owners import allotment_puzzle, governor_by_message_puzzle
from puzzles.registry_ledger import Owners
from puzzles.standard import standard_puzzle
from puzzles.units import LauncherId, PuzzleHash, UnitBlock
from tokenization_engine.errors import OwnersInvalid

_ALLOTMENT = re.compile(r"(?P<series>[^:]+):(?P<first>[0-9]{1,20})-(?P<last>[0-9]{1,20})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColdKey:
    """A governor of one key, which signs for one registry coin at a time: simple, but a thief of the issuing
    key who spends every block can outrun it.
    """

    public_key: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Custody:
    """A governor of several keys in a cold singleton, any `threshold` of which order by message."""

    launcher_id: LauncherId
    threshold: int
    public_keys: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HiddenGovernor:
    """A governor of whom only the puzzle hash is known."""

    puzzle_hash: PuzzleHash


Governor = ColdKey | Custody | HiddenGovernor


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnersInWords:
    """The owners of a registry: the issuer's public key, what it may issue (nothing named: everything), and
    the governor. Raises OwnersInvalid if a key stands on both sides.
    """

    issuer_key: bytes
    allotment: tuple[UnitBlock, ...]
    governor: Governor

    def __post_init__(self) -> None:
        """Hold the rule."""
        if self.issuer_key in governor_keys(self.governor):
            raise OwnersInvalid(
                "the issuer's key is among the governor's: give each role keys of its own, or a thief of the "
                "issuing key could rotate the registry"
            )

    @property
    def owners(self) -> Owners:
        """The owners as the ledger curries them."""
        issuer = standard_puzzle(read_key(self.issuer_key))
        if self.allotment:
            issuer = allotment_puzzle(self.allotment, issuer)
        return Owners(issuer_puzzle=issuer, governor_puzzle_hash=governor_puzzle_hash(self.governor))


def read_key(data: bytes) -> G1Element:
    """The public key of 48 bytes; raises OwnersInvalid if it is none."""
    try:
        key = G1Element.from_bytes(data)
    except ValueError as error:
        raise OwnersInvalid(
            f"{to_hex(data)} is not a public key: expected the 48 bytes that `keys show` shows"
        ) from error
    if key == G1Element():
        raise OwnersInvalid("the public key is the point at infinity, for which anyone can sign")
    return key


def parse_key(text: str) -> bytes:
    """The public key written as hex, 48 bytes; raises OwnersInvalid."""
    try:
        data = bytes.fromhex(text.strip().removeprefix("0x"))
    except ValueError as error:
        raise OwnersInvalid(f"{text[:100]!r} is not a public key: expected 0x and 96 hex digits") from error
    return bytes(read_key(data))


def parse_allotment(text: str) -> UnitBlock:
    """The block written SERIES:FIRST-LAST; raises OwnersInvalid."""
    match = _ALLOTMENT.fullmatch(text.strip())
    if match is None:
        raise OwnersInvalid(
            f"{text[:100]!r} is not an allotment: expected SERIES:FIRST-LAST, such as BT-CDM2746-2021:1-5000"
        )
    try:
        return UnitBlock(series=match["series"], first=int(match["first"]), last=int(match["last"]))
    except PuzzleError as error:
        raise OwnersInvalid(f"{text[:100]!r} is not an allotment: {error}") from error


def synthetic(public_key: bytes) -> G1Element:
    """The key that signs where this one is named: a standard puzzle and a custody member hold it."""
    return calculate_synthetic_public_key(read_key(public_key), DEFAULT_HIDDEN_PUZZLE_HASH)


def governor_keys(governor: Governor) -> tuple[bytes, ...]:
    """The public keys known to stand behind the governor."""
    match governor:
        case ColdKey():
            return (governor.public_key,)
        case Custody():
            return governor.public_keys
        case HiddenGovernor():
            return ()


def governor_puzzle(governor: ColdKey | Custody) -> Program:
    """The puzzle that the ledger reveals when the governor acts."""
    match governor:
        case ColdKey():
            return standard_puzzle(read_key(governor.public_key))
        case Custody():
            return governor_by_message_puzzle(governor.launcher_id)


def governor_puzzle_hash(governor: Governor) -> PuzzleHash:
    """Its hash, which is all that the ledger holds."""
    if isinstance(governor, HiddenGovernor):
        return governor.puzzle_hash
    return PuzzleHash(bytes(governor_puzzle(governor).get_tree_hash()))


def check_threshold(threshold: int, public_keys: Iterable[bytes]) -> tuple[bytes, ...]:
    """The keys, if any `threshold` of them can make a custody; raises OwnersInvalid."""
    keys = tuple(public_keys)
    if len(set(keys)) != len(keys):
        raise OwnersInvalid("a key is named twice among the governor's keys: name each once")
    if not 1 <= threshold <= len(keys):
        raise OwnersInvalid(
            f"{threshold} of {len(keys)} keys cannot govern: expected at least 1 and at most all of them"
        )
    return keys


def governor_json(governor: Governor) -> dict[str, Any]:
    """The governor as it stands in the database and in an order."""
    match governor:
        case ColdKey():
            return {"kind": "key", "public_key": to_hex(governor.public_key)}
        case Custody():
            return {
                "kind": "custody",
                "launcher_id": to_hex(governor.launcher_id),
                "threshold": governor.threshold,
                "public_keys": [to_hex(key) for key in governor.public_keys],
            }
        case HiddenGovernor():
            return {"kind": "hidden", "puzzle_hash": to_hex(governor.puzzle_hash)}


def read_governor(data: Mapping[str, Any]) -> Governor:
    """The governor from `governor_json`; raises OwnersInvalid if it does not read."""
    try:
        match data["kind"]:
            case "key":
                return ColdKey(public_key=parse_key(data["public_key"]))
            case "custody":
                keys = check_threshold(int(data["threshold"]), [parse_key(key) for key in data["public_keys"]])
                launcher_id = LauncherId(_hash(data["launcher_id"]))
                return Custody(launcher_id=launcher_id, threshold=int(data["threshold"]), public_keys=keys)
            case "hidden":
                return HiddenGovernor(puzzle_hash=PuzzleHash(_hash(data["puzzle_hash"])))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise OwnersInvalid("the description of a governor does not read: expected a kind and its keys") from error
    raise OwnersInvalid(f"{data['kind']!r} is no kind of governor: expected key, custody or hidden")


def owners_json(owners: OwnersInWords) -> dict[str, Any]:
    """The owners as they stand in an order."""
    return {
        "issuer_key": to_hex(owners.issuer_key),
        "allotment": [f"{block.series}:{block.first}-{block.last}" for block in owners.allotment],
        "governor": governor_json(owners.governor),
    }


def read_owners(data: Mapping[str, Any]) -> OwnersInWords:
    """The owners from `owners_json`; raises OwnersInvalid if they do not read."""
    try:
        return OwnersInWords(
            issuer_key=parse_key(data["issuer_key"]),
            allotment=tuple(parse_allotment(text) for text in data["allotment"]),
            governor=read_governor(data["governor"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise OwnersInvalid("the description of a registry's owners does not read") from error


def _hash(text: str) -> bytes:
    data = bytes.fromhex(text.removeprefix("0x"))
    if len(data) != 32:
        raise ValueError("expected 32 bytes")
    return data
