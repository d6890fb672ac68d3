"""Who says whether a bundle may go into a block, and why not: three judges, in one vocabulary.

`SdkNode` is the full node of chia-wallet-sdk's simulator: other people's code for coins, times and the mempool around
the same consensus library. `ChiaChain` is our local chain, which is chia's own mempool, on the network whose
signatures the attacks of `tests/puzzles` are made for. `as_block` and `as_mempool` are chia's consensus library alone,
by the rules of a block and by the stricter ones of a mempool; they know nothing of which coins exist.

A reason is the name that chia gives it, such as MINTING_COIN; None is no reason, so the bundle is taken.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

import chia_wallet_sdk as sdk
from chia.types.mempool_inclusion_status import MempoolInclusionStatus
from chia.util.errors import Err
from chia_rs import (
    MEMPOOL_MODE,
    Coin,
    ConsensusConstants,
    SpendBundle,
    get_flags_for_height_and_constants,
    run_block_generator2,
    solution_generator,
)
from chia_rs.sized_bytes import bytes32

from chain.network import SIMULATOR0, TESTNET11, Network
from sim.local_chain import FARMER, LocalChain

Reason = str | None
"""The name of a refusal, or None."""

TESTNET11_OF_TODAY = Network(
    name=TESTNET11.name,
    address_prefix=TESTNET11.address_prefix,
    genesis_challenge=TESTNET11.genesis_challenge,
    fork_heights=SIMULATOR0.fork_heights,
)
"""Signatures as on testnet11, and today's rules from the first block on."""


def as_block(bundle: SpendBundle, constants: ConsensusConstants, height: int) -> Reason:
    """Why no block of that height may hold the bundle, whatever coins exist."""
    return _run(bundle, constants, get_flags_for_height_and_constants(height, constants))


def as_mempool(bundle: SpendBundle, constants: ConsensusConstants, height: int) -> Reason:
    """Why no mempool takes the bundle at that height, whatever coins exist."""
    return _run(bundle, constants, get_flags_for_height_and_constants(height, constants) | MEMPOOL_MODE)


def _run(bundle: SpendBundle, constants: ConsensusConstants, flags: int) -> Reason:
    if any(each.puzzle_reveal.get_tree_hash() != each.coin.puzzle_hash for each in bundle.coin_spends):
        return Err.WRONG_PUZZLE_HASH.name  # a block names its coins by the puzzles that it shows
    spends = [(each.coin, bytes(each.puzzle_reveal), bytes(each.solution)) for each in bundle.coin_spends]
    error, _, _ = run_block_generator2(
        solution_generator(spends),
        [],
        constants.MAX_BLOCK_COST_CLVM,
        flags,
        bundle.aggregated_signature,
        None,
        constants,
    )
    return None if error is None else Err(error).name


class ChiaChain(LocalChain):
    """Our local chain, with the signatures of testnet11, and with coins that other chains made."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.network, self.constants = TESTNET11_OF_TODAY, TESTNET11_OF_TODAY.constants

    async def mint(self, coin: Coin) -> None:
        """Put this very coin on the chain, in a block of its own."""
        async with self.lock:
            await self._farm_one(bytes32(FARMER), (coin,))

    async def judge(self, bundle: SpendBundle) -> Reason:
        """Why the mempool refuses the bundle; if it takes it, so does the next block."""
        self.mempool_manager.remove_seen(bundle.name())  # else a second look at a bundle is none
        status, error = await self.push(bundle)
        if status == MempoolInclusionStatus.SUCCESS:
            await self.farm()
            return None
        assert error is not None, "chia names the reason of each refusal"
        return error.name


class SdkNode:
    """A simulated full node of chia-wallet-sdk; its signatures are simulator0's, as our local chain's are."""

    def __init__(self, timestamp: int) -> None:
        """A chain of one block of that time, at height 1 and with coins that nobody has the keys of."""
        self._timestamp = timestamp
        self._blocks: list[tuple[tuple[SpendBundle, ...], tuple[Coin, ...]]] = []
        self._start()

    @property
    def height(self) -> int:
        """The newest block's height."""
        return int(self._node.height())

    def judge(self, bundle: SpendBundle) -> Reason:
        """Why the node refuses the bundle in the next block, were it the only one."""
        self._empty_mempool()
        return self._push(bundle)

    def farm(self, bundles: tuple[SpendBundle, ...], minted: tuple[Coin, ...]) -> list[Reason]:
        """Farm a block, one second after the last, with these bundles, then with these coins out of nothing; what it
        says to each bundle."""
        if self._waiting != [bundle.name() for bundle in bundles]:
            self._empty_mempool()
        self._blocks.append((bundles, minted))
        return self._farm(bundles, minted)

    def _start(self) -> None:
        self._node = sdk.FullNodeSimulator.with_seed(1)
        self._waiting: list[bytes32] = []
        state = json.loads(self._node.dump_state())
        state["next_timestamp"] = self._timestamp + 1
        for record in (state["blocks"][0]["record"], *(record for _, record in state["coins"])):
            record["timestamp"] = self._timestamp
        self._node.restore_state(json.dumps(state))

    def _farm(self, bundles: Iterable[SpendBundle], minted: Iterable[Coin]) -> list[Reason]:
        reasons = [self._push(bundle) for bundle in bundles if bundle.name() not in self._waiting]
        self._node.farm_block(1)
        self._waiting = []
        for coin in minted:
            self._node.insert_coin(_coin(coin))
        return reasons

    def _empty_mempool(self) -> None:
        """The same chain anew, if anything waits: the node has no other way to forget a bundle."""
        if self._waiting:
            self._start()
            for bundles, minted in self._blocks:
                self._farm(bundles, minted)

    def has(self, coin: Coin) -> bool:
        """Whether the coin is there and unspent."""
        record = self._node.get_coin_record_by_name(bytes(coin.name())).coin_record
        return record is not None and not record.spent

    def _push(self, bundle: SpendBundle) -> Reason:
        spends = [
            sdk.CoinSpend(_coin(each.coin), bytes(each.puzzle_reveal), bytes(each.solution))
            for each in bundle.coin_spends
        ]
        signature = sdk.Signature.from_bytes(bytes(bundle.aggregated_signature))
        answer = self._node.push_tx(sdk.SpendBundle(spends, signature))
        if not answer.success:
            return chias_name(answer.error or "")
        self._waiting.append(bundle.name())
        return None


def _coin(coin: Coin) -> sdk.Coin:
    return sdk.Coin(bytes(coin.parent_coin_info), bytes(coin.puzzle_hash), int(coin.amount))


OTHER_NAMES = {
    "ASSERT_COIN_ANNOUNCEMENT_FAILED": "ASSERT_ANNOUNCE_CONSUMED_FAILED",
    "ASSERT_PUZZLE_ANNOUNCEMENT_FAILED": "ASSERT_ANNOUNCE_CONSUMED_FAILED",
    "ASSERT_MY_PUZZLE_HASH_FAILED": "ASSERT_MY_PUZZLEHASH_FAILED",
    "COST_EXCEEDED": "BLOCK_COST_EXCEEDS_MAX",
    "NEGATIVE_AMOUNT": "COIN_AMOUNT_NEGATIVE",
    "AMOUNT_EXCEEDS_MAXIMUM": "COIN_AMOUNT_EXCEEDS_MAXIMUM",
    **dict.fromkeys(
        (
            "INVALID_CONDITION_OPCODE",
            "INVALID_PARENT_ID",
            "INVALID_PUZZLE_HASH",
            "INVALID_PUBLIC_KEY",
            "INVALID_MESSAGE",
            "INVALID_COIN_AMOUNT",
            "INVALID_COIN_ANNOUNCEMENT",
            "INVALID_PUZZLE_ANNOUNCEMENT",
        ),
        "INVALID_CONDITION",
    ),
}
"""What chia-wallet-sdk calls otherwise; of conditions that do not read it says more than chia does."""


def chias_name(said: str) -> str:
    """Chia's name of what chia-wallet-sdk said, such as MINTING_COIN for "Validation error: MintingCoin"."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", said.rsplit(": ", 1)[-1]).upper()
    return OTHER_NAMES.get(name, name)
