"""A small world for wallets: a chain behind HTTP, a registry that issues, a stranger with coins, and people's
wallets.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from chia.types.blockchain_format.program import Program
from chia.types.mempool_inclusion_status import MempoolInclusionStatus
from chia.wallet.derive_keys import master_sk_to_wallet_sk_unhardened
from chia_rs import AugSchemeMPL, Coin, CoinSpend, PrivateKey, SpendBundle
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint32, uint64

from chain.database import open_database
from chain.network import SIMULATOR0
from chain.node import Node, connect
from chain.settings import NodeSettings, load_settings
from climate_wallet.addresses import Address, PrivateKeys, watch_addresses
from climate_wallet.book import open_book
from climate_wallet.keys import KeyInfo
from climate_wallet.registries import add_registry
from climate_wallet.spends import OwnCoin, Payment, pay_xch, sign
from climate_wallet.store import MIGRATIONS
from climate_wallet.sync import Syncer
from climate_wallet.wallet import Wallet
from puzzles.fields import write_fields
from puzzles.free_serials import FreeSerials
from puzzles.issuance import IssueRequest, plan_issues
from puzzles.registry_ledger import Owners, RegistryCoin, conditions_for_issuer, launch
from puzzles.standard import quoted_solution, standard_puzzle
from puzzles.units import AssetId, CoinId, Height, Mojos, PuzzleHash, UnitBlock
from sim.local_chain import LocalChain
from sim.server import serving

XCH = 10**12
Metadata = Mapping[str, str] | Program
METADATA = {"project_name": "Dagachhu Hydropower Project", "vintage_year": "2019"}


class Person:
    """A key and its first address, without a wallet: a registry's officer, or a stranger who builds by
    hand.
    """

    def __init__(self, name: str) -> None:
        """A key made from the name."""
        self.master = AugSchemeMPL.key_gen(sha256(name.encode()).digest())
        self.keys = PrivateKeys(self.master)
        self.address: Address = watch_addresses(self.master.get_g1(), [0])[0]

    @property
    def puzzle_hash(self) -> PuzzleHash:
        return self.address.puzzle_hash

    @property
    def puzzle(self) -> Program:
        return standard_puzzle(self.address_key.get_g1())

    @property
    def address_key(self) -> PrivateKey:
        return master_sk_to_wallet_sk_unhardened(self.master, uint32(0))

    def own(self, coin: Coin) -> OwnCoin:
        return OwnCoin(coin=coin, address=self.address, created_height=Height(0))


class Ground(Protocol):
    """A chain that a registry can stand on: it gives coins and puts bundles into blocks."""

    async def fund(self, puzzle_hash: PuzzleHash, amount: Mojos) -> Coin: ...

    async def include(self, bundle: SpendBundle) -> None: ...


@dataclass
class Registry:
    """A registry on the chain, with the tree of free serials that its officer keeps."""

    world: Ground
    officer: Person
    coin: RegistryCoin
    free: FreeSerials = field(default_factory=FreeSerials)

    @property
    def id(self) -> bytes:
        return bytes(self.coin.registry)

    async def issue(self, block: UnitBlock, to: PuzzleHash, metadata: Metadata = METADATA) -> AssetId:
        """Issue one block to a puzzle hash, in a block of the chain farmed for it."""
        return (await self.issue_all([(block, to)], metadata))[0]

    async def issue_all(
        self, blocks: Sequence[tuple[UnitBlock, PuzzleHash]], metadata: Metadata = METADATA
    ) -> list[AssetId]:
        tree = metadata if isinstance(metadata, Program) else write_fields(list(metadata.items()))
        requests = [IssueRequest(block=block, metadata=tree, receiver=to) for block, to in blocks]
        plan = plan_issues(self.coin, self.free, requests)
        funding = self.officer.own(await self.world.fund(self.officer.puzzle_hash, Mojos(XCH)))
        issues = list(plan.issues)
        payments = [Payment(puzzle_hash=each.eve_puzzle_hash, amount=each.amount) for each in issues]
        spends = pay_xch([funding], payments, fee=Mojos(0), change_to=self.officer.puzzle_hash)
        conditions = conditions_for_issuer([each.condition for each in issues], self.coin.owners)
        spends.append(self.coin.spend_as_issuer(quoted_solution(conditions)))
        spends += [each.eve_spend(funding.coin_id) for each in issues]
        await self.world.include(sign(spends, [funding], self.officer.keys, SIMULATOR0))
        self.coin = self.coin.child(plan.root, self.coin.owners)
        return [each.token.asset_id for each in issues]


@dataclass
class World:
    """The chain, a node to ask, and where wallets keep their stores."""

    chain: LocalChain
    node: Node
    url: str
    home: Path
    stack: AsyncExitStack

    async def fund(self, puzzle_hash: PuzzleHash, amount: int) -> Coin:
        return await self.chain.faucet(puzzle_hash, Mojos(amount))

    async def include(self, bundle: SpendBundle) -> None:
        """Push a bundle and farm it; it must be taken."""
        status, error = await self.chain.push(bundle)
        assert status == MempoolInclusionStatus.SUCCESS, error
        await self.chain.farm()

    async def push_and_farm(self, spends: Sequence[CoinSpend], coins: Iterable[OwnCoin], person: Person) -> None:
        await self.include(sign(spends, coins, person.keys, SIMULATOR0))

    async def registry(self, name: str = "Bhutan Carbon Registry") -> Registry:
        return await launch_registry(self, name)

    async def wallet(
        self, name: str, *, registries: Sequence[Registry] = (), is_locked: bool = False, gap_limit: int = 5
    ) -> Wallet:
        """The wallet of that person; asked for again it opens the same store, as after a restart."""
        wallet = wallet_of(name, self.node, self.home, is_locked=is_locked, gap_limit=gap_limit)
        self.stack.callback(wallet.engine.dispose)
        for registry in registries:
            await add_registry(self.node, wallet.engine, registry.coin.registry)
        return wallet


def wallet_of(name: str, node: Node, home: Path, *, is_locked: bool = False, gap_limit: int = 5) -> Wallet:
    """The wallet of that person on that node, its store in `home`; dispose of its engine at the end."""
    person = Person(name)
    key = KeyInfo(
        fingerprint=person.master.get_g1().get_fingerprint(),
        label=name,
        public_key=bytes(person.master.get_g1()),
    )
    book = open_book(
        open_database(f"sqlite:///{home / name}.sqlite", MIGRATIONS), SIMULATOR0, key=key, gap_limit=gap_limit
    )
    book.extend()
    return Wallet(
        node=node,
        network=SIMULATOR0,
        book=book,
        syncer=Syncer(node, book, dust=Mojos(1000)),
        keys=None if is_locked else person.keys,
    )


async def launch_registry(ground: Ground, name: str) -> Registry:
    """A new registry, its officer's key made from its name."""
    officer = Person(f"officer of {name}")
    funding = officer.own(await ground.fund(officer.puzzle_hash, Mojos(XCH)))
    owners = Owners(issuer_puzzle=officer.puzzle, governor_puzzle_hash=Person("governor").puzzle_hash)
    birth = launch(funding.coin_id, owners, name)
    # the launcher is the coin of one mojo that is left over, so the first funding condition makes itself
    lead = pay_xch(
        [funding],
        [Payment(puzzle_hash=officer.puzzle_hash, amount=Mojos(funding.amount - 1))],
        fee=Mojos(0),
        change_to=PuzzleHash(bytes(birth.spend.coin.puzzle_hash)),
        extra=birth.funding_conditions[1:],
    )
    await ground.include(sign([*lead, birth.spend], [funding], officer.keys, SIMULATOR0))
    return Registry(world=ground, officer=officer, coin=birth.first_coin)


@asynccontextmanager
async def open_world(home: Path) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        chain = await stack.enter_async_context(LocalChain.open())
        served = await stack.enter_async_context(serving(chain))
        settings = load_settings(NodeSettings, network="simulator0", url=served.url)
        node = await stack.enter_async_context(connect(settings))
        yield World(chain=chain, node=node, url=served.url, home=home, stack=stack)


def parked(parent: Coin, puzzle_hash: PuzzleHash, amount: int) -> CoinId:
    """The id of a coin that this parent makes at that puzzle hash."""
    return CoinId(bytes(Coin(parent.name(), bytes32(puzzle_hash), uint64(amount)).name()))
