"""A real node leaves branches behind on which tokens were issued, sold, retired and handed back, while all look on.

Afterwards every program stands where the chain stands, and the index that lived through it equals one built fresh.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from chia_rs import Coin, SpendBundle

from chain.node import Node, connect
from chain.submit import push
from puzzles.cat import CatSpend, cat_puzzle_hash, cat_ring, lineage_proof, payment, read_cat_spend
from puzzles.standard import quoted_solution
from puzzles.units import AssetId, CoinId, Mojos, PuzzleHash
from sim.people import ALICE, BOB, Person
from tests.explorer.world import Registry, unit_block
from tests.real_node.cast import BIG, FEES, Cast
from tests.real_node.ground import RealWorld
from tests.real_node.node import RealNode
from tests.real_node.trouble import purse

pytestmark = [pytest.mark.real_node, pytest.mark.timeout(1200)]

ENGINE, WALLET, EXPLORER = "tokenization-engine", "climate-wallet", "climate-explorer"
OFFICER, CAROL = Person("officer of branches"), Person("carol")


class Pen(RealWorld):
    """What people sign is kept instead of pushed, paid from coins that no branch takes away."""

    def __init__(self, real_node: RealNode, node: Node, coins: list[Coin]) -> None:
        super().__init__(real_node, node)
        self.coins, self.signed = coins, list[SpendBundle]()

    async def fund(self, person: Person, amount: int) -> Coin:
        assert person is OFFICER
        return self.coins.pop()

    async def include(self, bundle: SpendBundle, *, farm: bool = True) -> None:
        self.signed.append(bundle)

    def taken(self) -> list[SpendBundle]:
        """What was signed since the last time."""
        taken, self.signed = self.signed, []
        return taken

    async def live(self, history: Sequence[SpendBundle]) -> int:
        """Each of these in a block of its own; returns the height."""
        for bundle in history:
            await self.ground.include(bundle)
        return await self.real_node.height()


@dataclass(frozen=True, kw_only=True)
class Histories:
    """What may become of a registry with two tokens: each history excludes a part of the others."""

    registry: Registry
    ground: list[SpendBundle]
    """In every history: the registry's launch, and its first two tokens."""
    handed_back: list[SpendBundle]
    """A third token; the first is sold in part, retired in part, and handed back in part."""
    resold: list[SpendBundle]
    """The same third token and the same sale; then all of the first token is retired or sold on."""
    given_away: list[SpendBundle]
    """No third token; the first goes to Bob as a whole, who retires it all."""


async def written(pen: Pen) -> Histories:
    """Three histories, signed by everybody; nothing is in a block yet."""
    registry = await pen.launch("A registry of branches", OFFICER)
    first, second = await registry.issue(unit_block(1, 100), unit_block(101, 200))
    ground = pen.taken()
    await registry.issue(unit_block(201, 300))
    mine, yours = await pen.send(first, (ALICE, 60), (BOB, 40))
    shared = pen.taken()
    _, rest = await pen.retire(mine, 10, {"beneficiary_name": "Druk Air"})
    assert rest is not None
    await registry.take_back(rest, 20)
    handed_back = [*shared, *pen.taken()]
    await pen.retire(yours, 40, {"beneficiary_name": "Tshering"})
    await pen.send(mine, (CAROL, 60))
    resold = [*shared, *pen.taken()]
    (whole,) = await pen.send(first, (BOB, 100))
    await pen.retire(whole, 100, {"beneficiary_name": "Drukgyel"})
    await pen.send(second, (CAROL, 100))
    return Histories(registry=registry, ground=ground, handed_back=handed_back, resold=resold, given_away=pen.taken())


@pytest.fixture
def explorer(cast: Cast) -> Iterator[Cast]:
    """The same people, the auditor's daemon reading every block as it comes."""
    cast.run("auditor", EXPLORER, "follow", cast.registry_id)  # unless it does already
    cast.start_explorer()
    yield cast
    if "auditor" in cast.daemons:
        cast.stop("auditor")


@pytest.fixture
async def pen(real_node: RealNode) -> AsyncIterator[Pen]:
    async with connect(real_node.settings) as node:
        yield Pen(real_node, node, await purse(real_node, node, OFFICER, 3))


async def test_index_that_lived_through_branches_equals_one_built_fresh(
    explorer: Cast, pen: Pen, tmp_path: Path
) -> None:
    cast, real = explorer, explorer.node
    histories = await written(pen)
    registry_id = f"0x{histories.registry.registry_id.hex()}"
    base = await pen.live(histories.ground)
    cast.ask("auditor", EXPLORER, "follow", registry_id)

    def supply() -> Any:
        return cast.http("auditor", f"/v1/supply?registry_id={registry_id}")

    cast.until_read(await pen.live(histories.handed_back))
    assert supply() == {"issued": 300, "live": 270, "retired": 10, "detokenized": 20}
    await real.reorg(await real.height() - base)
    cast.until_read(await pen.live(histories.resold))
    assert supply() == {"issued": 300, "live": 260, "retired": 40, "detokenized": 0}

    # branches come and go faster than the daemon reads them
    await real.reorg(await real.height() - base)
    await pen.live(histories.given_away)
    await real.reorg(2)
    await pen.live(histories.given_away[-2:])
    await real.reorg(await real.height() - base)
    await pen.live(histories.handed_back)
    await real.reorg(1)
    cast.until_read(await pen.live(histories.handed_back[-1:]))

    assert supply() == {"issued": 300, "live": 270, "retired": 10, "detokenized": 20}
    cast.stop("auditor")
    fresh = cast.fresh_auditor(tmp_path, registry_id)
    assert cast.dump(cast.actors["auditor"], registry_id) == cast.dump(fresh, registry_id)


async def held(node: Node, person: Person, asset_id: AssetId) -> Coin:
    """The person's one unspent coin of the token."""
    found = await node.coins_by_puzzle_hashes([cat_puzzle_hash(asset_id, person.puzzle_hash)], include_spent=False)
    (only,) = found
    return only.coin


async def pay_on(node: Node, giver: Person, receiver: Person, asset_id: AssetId, coin: Coin) -> SpendBundle:
    """The giver's signed transfer of a whole token coin."""
    parent = (await node.coins([CoinId(bytes(coin.parent_coin_info))]))[CoinId(bytes(coin.parent_coin_info))]
    assert parent.spent_height is not None
    reading = read_cat_spend(await node.spend(parent.coin_id, parent.spent_height))
    assert reading is not None
    spend = CatSpend(
        coin=coin,
        asset_id=asset_id,
        inner_puzzle=giver.puzzle,
        inner_solution=quoted_solution([payment(receiver.puzzle_hash, Mojos(int(coin.amount)))]),
        lineage_proof=lineage_proof(parent.coin, PuzzleHash(bytes(reading.inner_puzzle.get_tree_hash()))),
    )
    return giver.signed(cat_ring([spend]))


def until_settled(cast: Cast) -> None:
    """Wait until no wallet waits for a block."""

    def is_settled() -> bool:
        asked = (cast.http(who, "/v1/transactions/pending") for who in ("developer", "buyer"))
        return not any(each["transactions"] for each in asked)

    cast.until(is_settled, "the wallets' transactions are in blocks")


async def test_wallets_and_engine_repeat_what_a_branch_took_with_it(
    issued: Cast, explorer: Cast, tmp_path: Path
) -> None:
    cast, real = issued, issued.node
    token = cast.tokens(BIG)[5]
    asset_id = AssetId(bytes.fromhex(token[2:]))
    serial = cast.add_unit(5001, 5010)
    to_developer, to_buyer = (cast.ask(who, WALLET, "address")["address"] for who in ("developer", "buyer"))

    with real.farming():
        send = ("developer", WALLET, "send", "--token", token)
        cast.ask(*send, "30", "--to", ALICE.address, *FEES, "--wait")
        cast.ask(*send, "70", "--to", to_buyer, *FEES, "--wait")
        cast.until(lambda: cast.units("buyer").get(token) == 70, "the buyer sees her units")
    base = await real.height()
    with real.farming():
        retired = cast.ask("buyer", WALLET, "retire", "20", "--token", token, "--field", "purpose=NDC", *FEES, "--wait")
        cast.ask(*send, "5", "--to", to_buyer, *FEES, "--wait")
        cast.ask("registry", ENGINE, "--confirmations", "3", "tokenize", serial, "--to", to_developer, *FEES)
        async with connect(real.settings) as node:
            alices = await held(node, ALICE, asset_id)
            await push(node, await pay_on(node, ALICE, BOB, asset_id, alices))
        until_settled(cast)
    cast.until_read(await real.farm(2))

    await real.reorg(await real.height() - base)
    async with connect(real.settings) as node:
        alice = CoinId(bytes(alices.name()))
        assert (await node.coins([alice]))[alice].spent_height is None
        await push(node, await pay_on(node, ALICE, CAROL, asset_id, alices))
    with real.farming():
        done = cast.run("registry", ENGINE, "--confirmations", "1", "resume", "--wait")
        cast.until(lambda: cast.units("buyer").get(token) == 55, "the buyer has retired and bought again")
        until_settled(cast)
    assert not done.exit_code, done.value
    cast.until_read(await real.farm(2))
    cast.stop("auditor")

    (found,) = cast.ask("auditor", EXPLORER, "retirements", "--asset-id", token)["items"]
    assert found["receipt_id"] == retired["details"]["receipt_id"]
    (unit,) = cast.ask("registry", ENGINE, "units", "list", "--text", serial)["units"]
    assert unit["marketplaceIdentifier"]
    audit = cast.ask("auditor", EXPLORER, "audit", cast.registry_id)
    assert audit["index_differences"] == []
    assert cast.dump(cast.actors["auditor"]) == cast.dump(cast.fresh_auditor(tmp_path))
