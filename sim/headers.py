"""The headers of the local chain's blocks: Chia's own types and rules, but for the proofs of space and time.

The rule guarded here: a header hash is the hash of a real Foliage, and what it commits to is true: the block before,
the branch, the time, the rewards, and the roots of the coins created and spent. So what is proven against a header of
this chain is proven by the same code against one of the real chain. Where a farmer and a timelord would prove their
work stand empty values.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from chia.types.blockchain_format.coin import hash_coin_ids
from chia.util.hash import std_hash
from chia_rs import (
    BlockRecord,
    ClassgroupElement,
    Coin,
    ConsensusConstants,
    Foliage,
    FoliageBlockData,
    FoliageTransactionBlock,
    FullBlock,
    G1Element,
    G2Element,
    PoolTarget,
    Program,
    ProofOfSpace,
    RewardChainBlock,
    TransactionsInfo,
    VDFInfo,
    VDFProof,
    compute_merkle_set_root,
)
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint8, uint16, uint32, uint64, uint128
from chiabip158 import PyBIP158

from chain.network import SIMULATOR0

_ZEROS = bytes32.zeros
_NO_REFERENCES = bytes32([1] * 32)
"""What consensus hashes for a generator that refers to no other block's."""
_NO_SPACE = ProofOfSpace(
    _ZEROS, G1Element(), None, G1Element(), uint8(0), uint16(0), uint8(0), uint8(0), uint8(32), b""
)
_NO_TIME = VDFInfo(_ZEROS, uint64(0), ClassgroupElement.get_default_element())
_NO_TIME_PROOF = VDFProof(uint8(0), b"", True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spends:
    """What a block's transactions did: its program with their signature, cost and fees, and the coins."""

    generator: Program | None
    signature: G2Element
    cost: int
    fees: int
    additions: Sequence[Coin]
    removals: Sequence[bytes32]


NO_SPENDS = Spends(generator=None, signature=G2Element(), cost=0, fees=0, additions=(), removals=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a header hash commits to, but for the reward chain block, which follows from the height."""

    foliage: Foliage
    transaction_block: FoliageTransactionBlock
    info: TransactionsInfo

    @property
    def header_hash(self) -> bytes32:
        """The block's name."""
        return self.foliage.get_hash()

    def to_bytes(self) -> bytes:
        """The three parts, one after the other."""
        return bytes(self.foliage) + bytes(self.transaction_block) + bytes(self.info)

    @classmethod
    def from_bytes(cls, data: bytes) -> Header:
        """The header of `to_bytes`."""
        foliage, at = Foliage.parse_rust(data)
        transaction_block, size = FoliageTransactionBlock.parse_rust(data[at:])
        info, _ = TransactionsInfo.parse_rust(data[at + size :])
        return cls(foliage=foliage, transaction_block=transaction_block, info=info)


def make_header(
    constants: ConsensusConstants,
    previous: BlockRecord | None,
    *,
    branch: int,
    timestamp: int,
    spends: Spends,
    rewards: Sequence[Coin],
    farmer_puzzle_hash: bytes32,
) -> Header:
    """The header of the next block; the branch stands in its extension data, so no two branches share a block."""
    prev_hash = constants.GENESIS_CHALLENGE if previous is None else previous.header_hash
    info = TransactionsInfo(
        _ZEROS if spends.generator is None else std_hash(bytes(spends.generator)),
        _NO_REFERENCES,
        spends.signature,
        uint64(spends.fees),
        uint64(spends.cost),
        list(rewards),
    )
    additions = [*rewards, *spends.additions]
    transaction_block = FoliageTransactionBlock(
        prev_hash,
        uint64(timestamp),
        _filter_hash(additions, spends.removals),
        _additions_root(additions),
        bytes32(compute_merkle_set_root(list(spends.removals))),
        info.get_hash(),
    )
    reward_hash = _reward_hash(constants, 0 if previous is None else previous.height + 1)
    data = FoliageBlockData(
        reward_hash,
        PoolTarget(farmer_puzzle_hash, uint32(0)),
        None,
        farmer_puzzle_hash,
        bytes32(branch.to_bytes(32, "big")),
    )
    foliage = Foliage(prev_hash, reward_hash, data, G2Element(), transaction_block.get_hash(), G2Element())
    return Header(foliage=foliage, transaction_block=transaction_block, info=info)


def reward_chain_block(constants: ConsensusConstants, height: int) -> RewardChainBlock:
    """Height, weight and iterations of the block, and nothing proven."""
    return RewardChainBlock(
        weight_at(constants, height),
        uint32(height),
        total_iterations_at(constants, height),
        uint8(0),
        _ZEROS,
        _NO_SPACE,
        None,
        G2Element(),
        _NO_TIME,
        None,
        G2Element(),
        _NO_TIME,
        None,
        None,
        True,
    )


def _reward_hash(constants: ConsensusConstants, height: int) -> bytes32:
    """The hash of `reward_chain_block`, whose other parts are the same at every height."""
    weight, iterations = weight_at(constants, height), total_iterations_at(constants, height)
    place = weight.to_bytes(16, "big") + height.to_bytes(4, "big") + iterations.to_bytes(16, "big")
    return std_hash(place + _nothing_proven(), skip_bytes_conversion=True)


@cache
def _nothing_proven() -> bytes:
    """A reward chain block's bytes after weight, height and iterations."""
    return bytes(reward_chain_block(SIMULATOR0.constants, 0))[36:]


def weight_at(constants: ConsensusConstants, height: int) -> uint128:
    """The chain's weight with the block at this height."""
    return uint128((height + 1) * constants.DIFFICULTY_STARTING)


def total_iterations_at(constants: ConsensusConstants, height: int) -> uint128:
    """The iterations up to the block at this height."""
    return uint128((height + 1) * constants.SUB_SLOT_ITERS_STARTING // constants.SLOT_BLOCKS_TARGET)


def full_block(constants: ConsensusConstants, height: int, header: Header, generator: Program | None) -> FullBlock:
    """The block as a full node keeps and shows it."""
    return FullBlock(
        [],
        reward_chain_block(constants, height),
        None,
        _NO_TIME_PROOF,
        None,
        _NO_TIME_PROOF,
        None,
        header.foliage,
        header.transaction_block,
        header.info,
        generator,
        [],
        None,
        uint8(0),
    )


def _additions_root(additions: Iterable[Coin]) -> bytes32:
    """The root of each puzzle hash among the coins, and of the ids of its coins."""
    by_puzzle_hash: dict[bytes32, list[bytes32]] = {}
    for coin in additions:
        by_puzzle_hash.setdefault(coin.puzzle_hash, []).append(coin.name())
    leaves = [leaf for puzzle_hash, ids in by_puzzle_hash.items() for leaf in (puzzle_hash, hash_coin_ids(ids))]
    return bytes32(compute_merkle_set_root(leaves))


def _filter_hash(additions: Iterable[Coin], removals: Iterable[bytes32]) -> bytes32:
    """The hash of the filter by which light wallets find their blocks (BIP 158)."""
    items = [*(bytearray(coin.puzzle_hash) for coin in additions), *(bytearray(coin_id) for coin_id in removals)]
    return std_hash(bytes(PyBIP158(items).GetEncoded()))
