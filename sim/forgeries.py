"""Two bundles that no program of ours would make, for the demo to show the chain refusing them.

Both are signed with the right key, as a dishonest registry or holder would: what refuses them is consensus.
"""

from __future__ import annotations

from collections.abc import Sequence

from chia.types.blockchain_format.program import Program
from chia.util.keychain import mnemonic_to_seed
from chia.wallet.derive_keys import master_sk_to_wallet_sk_unhardened
from chia.wallet.puzzles.p2_delegated_puzzle_or_hidden_puzzle import (
    DEFAULT_HIDDEN_PUZZLE_HASH,
    calculate_synthetic_secret_key,
    puzzle_for_pk,
    puzzle_for_synthetic_public_key,
)
from chia_rs import AugSchemeMPL, Coin, CoinSpend, PrivateKey, SpendBundle, tree_hash
from chia_rs.sized_ints import uint32

from chain.network import Network
from chain.node import Node
from puzzles.cat import CatSpend, cat_ring, lineage_proof, payment, run_tail
from puzzles.free_serials import FreeSerials
from puzzles.issuance import IssueRequest, plan_issues
from puzzles.owners import read_allotment
from puzzles.recognise import read_registry_spend, read_token_spend
from puzzles.registry_ledger import Owners, RegistryCoin, conditions_for_issuer, read_launch
from puzzles.retirement import write_record
from puzzles.singleton import lineage_of, read_singleton_spend
from puzzles.standard import create_coin, quoted_solution
from puzzles.unit_block_tail import Token, delta_of, retire_solution
from puzzles.units import CoinId, Height, LauncherId, Mojos, PuzzleHash
from sim.errors import ProgramFailed


def wallet_keys(mnemonic: str, count: int = 50) -> dict[PuzzleHash, PrivateKey]:
    """The synthetic keys of a wallet's first addresses by puzzle hash, as every Chia wallet derives them."""
    master = AugSchemeMPL.key_gen(mnemonic_to_seed(mnemonic))
    keys = [master_sk_to_wallet_sk_unhardened(master, uint32(index)) for index in range(count)]
    return {
        PuzzleHash(bytes(puzzle_for_pk(key.get_g1()).get_tree_hash())): calculate_synthetic_secret_key(
            key, DEFAULT_HIDDEN_PUZZLE_HASH
        )
        for key in keys
    }


async def newest_coin(node: Node, registry: LauncherId) -> tuple[RegistryCoin, list[Token]]:
    """The registry's newest coin, read in lineage from its launch, and the tokens it issued."""
    launcher = (await node.coins([CoinId(registry)]))[CoinId(registry)]
    launch = read_launch(await node.spend(launcher.coin_id, _spent(launcher.spent_height)))
    if launch is None:
        raise ProgramFailed(f"0x{registry.hex()} is no registry")
    coin = launch.first_coin
    issued: list[Token] = []
    newest: RegistryCoin | None = None
    tree = FreeSerials()
    while (spent := (await node.coins([CoinId(bytes(coin.name()))]))[CoinId(bytes(coin.name()))]).spent_height:
        spend = await node.spend(spent.coin_id, _spent(spent.spent_height))
        reading, singleton = read_registry_spend(spend), read_singleton_spend(spend)
        if reading is None or singleton is None or reading.next_coin is None:
            raise ProgramFailed(f"0x{registry.hex()} does not read as a registry")
        for issue in reading.issuances:
            tree.replay(start=issue.start, end=issue.end, before=issue.before, path=issue.path, place=issue.place)
            issued.append(issue.token)
        newest = RegistryCoin(
            coin=reading.next_coin,
            lineage_proof=lineage_of(spend.coin, PuzzleHash(bytes(tree_hash(singleton.inner_puzzle_bytes)))),
            registry=registry,
            root=tree.root,
            owners=Owners(
                issuer_puzzle=reading.ledger.issuer_puzzle, governor_puzzle_hash=reading.ledger.governor_puzzle_hash
            ),
        )
        coin = reading.next_coin
    if newest is None:
        raise ProgramFailed(f"the registry 0x{registry.hex()} has not issued yet")
    return newest, issued


def double_issuance(
    registry: RegistryCoin,
    token: Token,
    funding: Coin,
    keys: dict[PuzzleHash, PrivateKey],
    network: Network,
) -> SpendBundle:
    """The block of that token issued a second time, by the registry's own key, as if everything were still free."""
    block = token.reading.block
    if block is None:
        raise ProgramFailed("the token's block is outside the canonical form")
    holder = PuzzleHash(bytes(funding.puzzle_hash))
    request = IssueRequest(block=block, metadata=Program.to([("vintage_year", "2099")]), receiver=holder)
    pretended = RegistryCoin(
        coin=registry.coin,
        lineage_proof=registry.lineage_proof,
        registry=registry.registry,
        root=FreeSerials().root,
        owners=registry.owners,
    )
    (issue,) = plan_issues(pretended, FreeSerials(), [request]).issues
    issuing = quoted_solution(conditions_for_issuer([issue.condition], registry.owners))
    paying = quoted_solution([create_coin(issue.eve_puzzle_hash, issue.amount)])
    spends = [
        registry.spend_as_issuer(issuing),
        CoinSpend(funding, _standard_puzzle(holder, keys).to_serialized(), paying.to_serialized()),
        issue.eve_spend(CoinId(bytes(funding.name()))),
    ]
    allotted = read_allotment(registry.owners.issuer_puzzle)
    issuer_puzzle = registry.owners.issuer_puzzle if allotted is None else allotted[0]
    issuer = PuzzleHash(bytes(issuer_puzzle.get_tree_hash()))
    return _signed(spends, [(registry.coin, issuing, keys[issuer]), (funding, paying, keys[holder])], network)


def _standard_puzzle(puzzle_hash: PuzzleHash, keys: dict[PuzzleHash, PrivateKey]) -> Program:
    """The standard puzzle at that hash; its curried key is the synthetic one."""
    return puzzle_for_synthetic_public_key(keys[puzzle_hash].get_g1())


async def over_retirement(
    node: Node, token: Token, coin_id: CoinId, keys: dict[PuzzleHash, PrivateKey], network: Network
) -> SpendBundle:
    """A retirement that claims ten units and burns one, signed by the coin's own holder."""
    held = (await node.coins([coin_id]))[coin_id]
    coin = held.coin
    spent_parent = await node.spend(CoinId(bytes(coin.parent_coin_info)), held.created_height)
    parent = read_token_spend(spent_parent, asset_id=token.asset_id, issuance_hash=token.issuance_hash)
    holder = next(child.inner_puzzle_hash for child in parent.children if child.coin == coin)
    delta = delta_of(1)
    conditions = [
        run_tail(token.tail, retire_solution(10, write_record({"beneficiary_name": "Nine for nothing"}))),
        payment(holder, Mojos(coin.amount + delta)),
    ]
    solution = quoted_solution(conditions)
    spends = cat_ring(
        [
            CatSpend(
                coin=coin,
                asset_id=token.asset_id,
                inner_puzzle=_standard_puzzle(holder, keys),
                inner_solution=solution,
                lineage_proof=lineage_proof(spent_parent.coin, parent.holder),
                delta=delta,
            )
        ]
    )
    return _signed(spends, [(coin, solution, keys[holder])], network)


def _signed(
    spends: Sequence[CoinSpend], parts: Sequence[tuple[Coin, Program, PrivateKey]], network: Network
) -> SpendBundle:
    """The spends with an AGG_SIG_ME of each standard puzzle over its delegated puzzle."""
    signatures = []
    for coin, solution, key in parts:
        delegated = solution.at("rf")
        message = bytes(delegated.get_tree_hash()) + bytes(coin.name()) + network.agg_sig_me_data
        signatures.append(AugSchemeMPL.sign(key, message))
    return SpendBundle(list(spends), AugSchemeMPL.aggregate(signatures))


def _spent(height: Height | None) -> int:
    if height is None:
        raise ProgramFailed("a coin that must be spent is not")
    return int(height)
