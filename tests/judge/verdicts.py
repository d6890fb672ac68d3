"""Deeds of one chain judged again by another: the same bundles taken, the same refused, for the same reason.

chia-wallet-sdk judges by a block's rules, chia's mempool by stricter ones; where those differ, each judge must follow
its own, and the difference must be one that is known. So each bundle is also judged by the bare rules of both.
"""

from __future__ import annotations

from collections.abc import Sequence

from chia_rs import Coin, ConsensusConstants, SpendBundle

from chain.network import SIMULATOR0
from tests.judge.deeds import Deed, Farmed, Pushed
from tests.judge.judges import ChiaChain, Reason, SdkNode, as_block, as_mempool

OF_THE_MEMPOOL = {"ALREADY_INCLUDING_TRANSACTION", "MEMPOOL_CONFLICT"}
"""What a node says of a bundle because of others that it saw or holds: no verdict on the bundle."""

STRICTER = {"INVALID_CONDITION", "INVALID_COIN_SOLUTION"}
"""Why a mempool refuses what a block may hold: a condition that is unknown or has too many parts, or a puzzle or
solution that is not written in the shortest way."""


def judged_by_sdk(deeds: Sequence[Deed]) -> list[str]:
    """Where chia-wallet-sdk's node judges differently what was done on a recorded local chain; none, if all is well."""
    wrong, coins = list[str](), set[Coin]()
    node = SdkNode(next(deed.timestamp for deed in deeds if isinstance(deed, Farmed) and deed.height == 1))
    for number, deed in enumerate(deeds):
        match deed:
            case Farmed() if deed.height <= node.height:
                assert not deed.bundles
            case Farmed():
                said = node.farm(deed.bundles, deed.minted)
                wrong += [f"deed {number}, block {deed.height}: {reason}" for reason in said if reason is not None]
                assert node.height == deed.height
                for bundle in deed.bundles:
                    coins.update(bundle.additions())
                    coins.difference_update(bundle.removals())
            case Pushed() if deed.reason not in OF_THE_MEMPOOL:
                theirs = node.judge(deed.bundle)
                constants = SIMULATOR0.constants
                wrong += differing(
                    f"deed {number}", deed.bundle, constants, deed.height, ours=deed.reason, theirs=theirs
                )
    return wrong + [f"the coin {coin.name().hex()} is not there" for coin in coins if not node.has(coin)]


async def judged_by_chia(name: str, deeds: Sequence[Pushed | Coin]) -> list[str]:
    """Where chia's mempool judges differently what was done on a stage's chain.

    Nothing is judged after a bundle that only a mempool refuses: from there on the two chains are not the same.
    """
    wrong: list[str] = []
    async with ChiaChain.open() as chain:
        assert isinstance(chain, ChiaChain)
        for number, deed in enumerate(deeds):
            if isinstance(deed, Coin):
                await chain.mint(deed)
                continue
            ours, constants, height = await chain.judge(deed.bundle), chain.constants, int(chain.height)
            about = f"{name}, deed {number}"
            wrong += differing(about, deed.bundle, constants, height, ours=ours, theirs=deed.reason)
            if ours is not None and deed.reason is None:
                break
    return wrong


def differing(
    about: str, bundle: SpendBundle, constants: ConsensusConstants, height: int, *, ours: Reason, theirs: Reason
) -> list[str]:
    """How the verdicts of chia's mempool, of chia-wallet-sdk and of chia's bare consensus differ where they may not."""
    block, mempool = as_block(bundle, constants, height), as_mempool(bundle, constants, height)
    wrong = []
    if mempool != block and mempool not in STRICTER:
        wrong.append(f"{about}: a mempool's rules say {mempool}, a block's {block}")
    if mempool is not None and ours != mempool:
        wrong.append(f"{about}: chia's mempool says {ours}, its own rules {mempool}")
    if block is not None and theirs != block:
        wrong.append(f"{about}: chia-wallet-sdk says {theirs}, a block's rules {block}")
    if mempool is None and ours != theirs and ours not in STRICTER:
        wrong.append(f"{about}: chia's mempool says {ours}, chia-wallet-sdk {theirs}")
    return wrong
