"""Read any coin spend: what did it do to a registry or a token?

A reader holds the thread of lineage: it asks only about the newest coin of a genuine registry, or about a coin that
it knows to be a token's. From there everything is recomputed: a puzzle hash is never believed because it looks right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256

from chia.types.blockchain_format.program import Program
from chia_rs import Coin, CoinSpend, run_chia_program
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint64

from puzzles.cat import (
    CREATE_COIN,
    MAX_COST,
    TAIL_MARKER,
    UNSPENDABLE,
    CatReading,
    cat_puzzle_hash,
    first_items,
    read_cat_spend,
)
from puzzles.errors import MalformedSpend
from puzzles.fields import Fields, read_fields
from puzzles.free_serials import MAX_PATH_BYTES
from puzzles.program import applied
from puzzles.registry_ledger import ISSUE, LedgerReading, read_ledger
from puzzles.retirement import ReceiptReading, receipt_coin
from puzzles.singleton import read_singleton_spend, singleton_puzzle_hash
from puzzles.tree import is_readable, unfolded
from puzzles.unit_block_tail import Token, read_tail_solution
from puzzles.units import AssetId, CoinId, LauncherId, PuzzleHash

REMARK = b"\x01"
SEND_MESSAGE = b"\x42"
LEDGER_MODE = b"\x13"
ISSUE_OPCODE = ISSUE.to_bytes(1, "big", signed=True)
TAIL_AMOUNT = TAIL_MARKER.to_bytes(1, "big", signed=True)
FIRST_OF_SOLUTION, THIRD_OF_SOLUTION = 0b10, 0b1011
"""Paths in a solution to where a CAT, and a singleton, find that of their inner puzzle."""


@dataclass(frozen=True, kw_only=True)
class Issuance:
    """An issue that the ledger let through: token, the eve coin's full puzzle hash and amount, and the tree's step."""

    token: Token
    eve_puzzle_hash: PuzzleHash
    amount: int
    start: bytes
    end: bytes
    before: bytes
    path: int
    place: tuple[int, bytes] | None


@dataclass(frozen=True, kw_only=True)
class RegistrySpend:
    """What one spend of a registry's coin did. `next_coin` is None if the registry ended with it."""

    registry: LauncherId
    ledger: LedgerReading
    issuances: tuple[Issuance, ...]
    statements: tuple[Fields, ...]
    next_coin: Coin | None
    next_inner_puzzle_hash: PuzzleHash
    next_owners_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenChild:
    """A token coin made by a token coin's spend; `inner_puzzle_hash` is its holder, or UNSPENDABLE."""

    coin: Coin
    inner_puzzle_hash: PuzzleHash


@dataclass(frozen=True, kw_only=True)
class Retirement:
    """Whole units burnt by their holder: delta in negative mojos, the record, and the receipt coin it left.

    The record is whatever its holder made it: read it by `fields.read_fields`, write it out only if `tree.is_readable`.
    """

    delta: int
    record: Program
    receipt: Coin


@dataclass(frozen=True, slots=True, kw_only=True)
class Detokenization:
    """Whole units handed back to the registry: delta in negative mojos."""

    delta: int


@dataclass(frozen=True, kw_only=True)
class TokenSpend:
    """What one spend of a token coin did: a transfer to its children, and perhaps a burn."""

    asset_id: AssetId
    holder: PuzzleHash
    children: tuple[TokenChild, ...]
    burn: Retirement | Detokenization | None


def read_registry_spend(spend: CoinSpend, *, flags: int = 0) -> RegistrySpend | None:
    """What the spend of a registry's coin did, or None if it is no ledger of ours in a singleton.

    The caller knows the coin to be the newest of a genuine registry. `flags` are consensus' own at the spend's
    height, never the mempool's stricter ones: a farmer may include what no mempool takes. Raises MalformedSpend if
    the ledger's own run and the owner's disagree, which no spend on chain can make them do.
    """
    singleton = read_singleton_spend(spend)
    if singleton is None:
        return None
    ledger = read_ledger(singleton.inner_puzzle_bytes, singleton.inner_solution)
    if ledger is None or ledger.registry != singleton.launcher_id:
        return None
    asked: list[Program] = []
    next_owners = b""
    for opcode, condition in _conditions(bytes(ledger.owner_puzzle), bytes(ledger.owner_solution), flags):
        if opcode == ISSUE_OPCODE:
            asked.append(condition)
        elif opcode == CREATE_COIN and (args := first_items(condition, 3))[2].as_int() % 2 == 1:
            next_owners = args[1].atom or b""
    messages: list[tuple[PuzzleHash, int]] = []
    statements: list[Fields] = []
    next_coin, next_inner = None, PuzzleHash(b"")
    for opcode, condition in _conditions(
        applied(singleton.inner_puzzle_bytes, THIRD_OF_SOLUTION), bytes(spend.solution), flags
    ):
        if opcode == REMARK:
            assert condition.pair is not None
            statements.append(read_fields(Program(condition.pair[1])))
        elif opcode == SEND_MESSAGE and (args := first_items(condition, 5))[1].atom == LEDGER_MODE:
            messages.append((PuzzleHash(args[3].atom or b""), args[4].as_int()))
        elif opcode == CREATE_COIN and (args := first_items(condition, 3))[2].as_int() % 2 == 1:
            next_inner = PuzzleHash(args[1].atom or b"")
            next_coin = _singleton_child(spend.coin, ledger.registry, next_inner, args[2].as_int())
    if len(asked) != len(messages):
        raise MalformedSpend(
            f"the registry {ledger.registry.hex()} sent {len(messages)} messages for {len(asked)} issues"
        )
    issues = zip(asked, messages, strict=True)
    return RegistrySpend(
        registry=ledger.registry,
        ledger=ledger,
        issuances=tuple(_issuance(ledger.registry, tree, *message) for tree, message in issues),
        statements=tuple(statements),
        next_coin=next_coin,
        next_inner_puzzle_hash=next_inner,
        next_owners_hash=next_owners,
    )


def _singleton_child(parent: Coin, registry: LauncherId, inner_puzzle_hash: PuzzleHash, amount: int) -> Coin:
    return Coin(parent.name(), bytes32(singleton_puzzle_hash(registry, inner_puzzle_hash)), uint64(amount))


def _issuance(registry: LauncherId, condition: Program, eve_puzzle_hash: PuzzleHash, amount: int) -> Issuance:
    """One ISSUE that the ledger let through, (ISSUE before after path siblings place inner_hash . block), and the
    receiver of the message it sent for it. What the ledger had no need to look at may be anything."""
    parts = first_items(condition, 7)
    rest = condition
    for _ in parts:
        assert rest.pair is not None
        rest = Program(rest.pair[1])
    token = Token(registry=registry, block=rest)
    reading = token.reading
    series_hash = sha256(reading.series).digest()
    return Issuance(
        token=token,
        eve_puzzle_hash=eve_puzzle_hash,
        amount=amount,
        start=series_hash + reading.first.to_bytes(8, "big"),
        end=series_hash + reading.end.to_bytes(8, "big"),
        before=parts[1].atom or b"",
        path=int.from_bytes(parts[3].atom or b"", "big"),
        place=_place(parts[5]),
    )


def _place(place: Program) -> tuple[int, bytes] | None:
    """Path and leaf of `(path siblings . leaf)`; None for another shape, which the ledger reads only where it needs.

    The ledger shifts a path as an unsigned number, so it is read as one.
    """
    if place.pair is None:
        return None
    path, more = Program(place.pair[0]).atom, Program(place.pair[1])
    leaf = Program(more.pair[1]).atom if more.pair is not None else None
    if path is None or leaf is None or len(path) > MAX_PATH_BYTES:
        return None
    return int.from_bytes(path, "big"), leaf


def find_eve(issuance: Issuance, spends: Iterable[CoinSpend]) -> CoinSpend | None:
    """The spend of the eve coin among the spends of the issue's block, or None if they do not hold it.

    Others can stand at its puzzle hash with its amount: coins that strangers parked there, and grandchildren of the
    eve coin itself. Only a coin without a proven parent can take the ledger's message, and it takes it only once.
    """
    for spend in spends:
        if bytes(spend.coin.puzzle_hash) == issuance.eve_puzzle_hash and spend.coin.amount == issuance.amount:
            reading = read_cat_spend(spend)
            if reading is not None and not reading.parent_is_cat:
                return spend
    return None


def read_token_spend(spend: CoinSpend, *, asset_id: AssetId, issuance_hash: bytes, flags: int = 0) -> TokenSpend:
    """What the spend of a coin known to be this token's did; raises MalformedSpend if it is not one."""
    reading = read_cat_spend(spend)
    holder = reading.inner_puzzle_hash if reading is not None else PuzzleHash(b"")
    if reading is None or reading.asset_id != asset_id or not _is_at(spend.coin, asset_id, holder):
        raise MalformedSpend(f"the coin {spend.coin.name().hex()} is not a coin of the token {asset_id.hex()}")
    children: list[TokenChild] = []
    tail_solution: Program | None = None
    coin_id = spend.coin.name()
    inner_run = applied(reading.inner_puzzle_bytes, FIRST_OF_SOLUTION)
    for opcode, condition in _conditions(inner_run, bytes(spend.solution), flags):
        if opcode != CREATE_COIN:
            continue
        args = first_items(condition, 5)
        if args[2].atom == TAIL_AMOUNT:
            tail_solution = args[4] if len(args) > 4 else Program.to(0)
            continue
        inner_hash = args[1].atom or b""
        coin = Coin(coin_id, bytes32(cat_puzzle_hash(asset_id, inner_hash)), uint64(args[2].as_int()))
        holder_after = PuzzleHash(inner_hash) if len(inner_hash) == 32 else UNSPENDABLE
        children.append(TokenChild(coin=coin, inner_puzzle_hash=holder_after))
    burn = _burn(spend, reading, tail_solution, issuance_hash=issuance_hash, children=children, flags=flags)
    return TokenSpend(asset_id=asset_id, holder=holder, children=tuple(children), burn=burn)


def read_receipt(receipt: Coin, spend: CoinSpend, *, flags: int = 0) -> ReceiptReading | None:
    """Delta and record of a receipt, told by the spend of its parent; None if that spend left no such receipt.

    Of any token: whether the parent was a token's is for whoever counts it, and nothing to whoever seals it.
    """
    reading = read_cat_spend(spend)
    if reading is None or reading.delta >= 0:
        return None
    tail_solution: Program | None = None
    for opcode, condition in _conditions(
        applied(reading.inner_puzzle_bytes, FIRST_OF_SOLUTION), bytes(spend.solution), flags
    ):
        if opcode == CREATE_COIN and (args := first_items(condition, 5))[2].atom == TAIL_AMOUNT:
            tail_solution = args[4] if len(args) > 4 else None
    if tail_solution is None or tail_solution.pair is None:
        return None
    record = Program(tail_solution.pair[1])
    if not is_readable(record) or receipt != receipt_coin(CoinId(bytes(spend.coin.name())), reading.delta, record):
        return None
    return ReceiptReading(delta=reading.delta, record=record)


def _is_at(coin: Coin, asset_id: AssetId, holder: PuzzleHash) -> bool:
    return bytes(coin.puzzle_hash) == bytes(cat_puzzle_hash(asset_id, holder))


def _burn(
    spend: CoinSpend,
    reading: CatReading,
    tail_solution: Program | None,
    *,
    issuance_hash: bytes,
    children: list[TokenChild],
    flags: int,
) -> Retirement | Detokenization | None:
    """The last TAIL condition decides, as it does in the CAT; a burn is minus the coin's extra delta, once a coin."""
    if reading.delta >= 0 or tail_solution is None:
        return None
    record = read_tail_solution(tail_solution, issuance_hash).record
    if record is None:
        return Detokenization(delta=reading.delta)
    if is_readable(record):
        receipt = receipt_coin(CoinId(bytes(spend.coin.name())), reading.delta, record)
    else:
        receipt = _receipt_put_out(spend, children, flags)
    return Retirement(delta=reading.delta, record=record, receipt=receipt)


def _receipt_put_out(spend: CoinSpend, children: list[TokenChild], flags: int) -> Coin:
    """The receipt of a record too large to hash here: what the whole CAT puts out besides its token children."""
    left = Counter((bytes(child.coin.puzzle_hash), int(child.coin.amount)) for child in children)
    for opcode, condition in _conditions(bytes(spend.puzzle_reveal), bytes(spend.solution), flags):
        if opcode == CREATE_COIN:
            args = first_items(condition, 3)
            made = (args[1].atom or b"", args[2].as_int())
            if not left[made]:
                return Coin(spend.coin.name(), bytes32(made[0]), uint64(made[1]))
            left[made] -= 1
    raise MalformedSpend(f"the retirement by the coin {spend.coin.name().hex()} left no receipt")


def _conditions(puzzle: bytes, solution: bytes, flags: int) -> Iterator[tuple[bytes, Program]]:
    """Opcode (as bytes) and whole condition of everything that the puzzle puts out; both are serialized."""
    _, node = run_chia_program(puzzle, solution, MAX_COST, flags)
    result = unfolded(node)
    while result.pair is not None:
        condition = Program(result.pair[0])
        result = Program(result.pair[1])
        opcode = Program(condition.pair[0]).atom if condition.pair is not None else None
        if opcode is not None:
            yield opcode, condition
