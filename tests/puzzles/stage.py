"""A chain, a registry and people with keys, on which an attack is tried.

A bundle is *accepted* when chia-wallet-sdk's simulator takes it and changes its coins. A bundle is *refused by the
chain* only when no farmer could put it into a block either: chia's own block code runs it by the laxest rules that
mainnet ever had since messages exist, without what the mempool asks besides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

import chia_wallet_sdk as sdk
from chia.consensus.default_constants import DEFAULT_CONSTANTS
from chia.types.blockchain_format.program import Program
from chia.wallet.lineage_proof import LineageProof
from chia.wallet.puzzles.p2_delegated_puzzle_or_hidden_puzzle import (
    DEFAULT_HIDDEN_PUZZLE_HASH,
    calculate_synthetic_secret_key,
)
from chia_rs import (
    DONT_VALIDATE_SIGNATURE,
    AugSchemeMPL,
    Coin,
    CoinSpend,
    G1Element,
    G2Element,
    PrivateKey,
    SpendBundle,
    SpendBundleConditions,
    run_block_generator2,
    solution_generator,
)
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint64

from puzzles.cat import CatSpend, cat_puzzle_hash, cat_ring, first_items, lineage_proof, payment, run_tail
from puzzles.fields import write_fields
from puzzles.free_serials import FreeSerials
from puzzles.issuance import IssueRequest, PlannedIssue, plan_issues
from puzzles.registry_ledger import Owners, RegistryCoin, conditions_for_issuer, launch, next_coin_condition
from puzzles.retirement import receipt_coin, seal, write_record
from puzzles.standard import assert_spent_together, create_coin, quoted_solution, standard_puzzle
from puzzles.unit_block_tail import Token, delta_of, retire_solution
from puzzles.units import AssetId, CoinId, Mojos, PuzzleHash, UnitBlock

LAXEST_FLAGS = 0
"""The rules of a block before the latest soft forks; each of those only refuses more."""

AGG_SIG_ME_DATA = bytes32.fromhex("37a90eb5185a9c4439a91ddc98bbadce7b4feba060d50116a067de66bf236615")
"""The simulator's network is testnet11."""

CONSTANTS = DEFAULT_CONSTANTS.replace(
    AGG_SIG_ME_ADDITIONAL_DATA=AGG_SIG_ME_DATA,
    AGG_SIG_PARENT_ADDITIONAL_DATA=bytes32(sha256(AGG_SIG_ME_DATA + b"\x2b").digest()),
    AGG_SIG_PUZZLE_ADDITIONAL_DATA=bytes32(sha256(AGG_SIG_ME_DATA + b"\x2c").digest()),
    AGG_SIG_AMOUNT_ADDITIONAL_DATA=bytes32(sha256(AGG_SIG_ME_DATA + b"\x2d").digest()),
    AGG_SIG_PUZZLE_AMOUNT_ADDITIONAL_DATA=bytes32(sha256(AGG_SIG_ME_DATA + b"\x2e").digest()),
    AGG_SIG_PARENT_AMOUNT_ADDITIONAL_DATA=bytes32(sha256(AGG_SIG_ME_DATA + b"\x2f").digest()),
    AGG_SIG_PARENT_PUZZLE_ADDITIONAL_DATA=bytes32(sha256(AGG_SIG_ME_DATA + b"\x30").digest()),
)

NOTHING = Program.to(0)
NO_SIGNATURE = G2Element()
METADATA = write_fields([("country", "BT"), ("vintage", "2021"), ("unit_type", "Reduction - technical")])
RECORD = write_record({"beneficiary_name": "Druk Green", "purpose": "voluntary"})
SERIES = "BT-CDM2746-2021"


class Refused(Exception):
    """The chain refused a bundle; the text is the reason it gave."""


def block(first: int, last: int, series: str = SERIES) -> UnitBlock:
    """A unit block of the usual series."""
    return UnitBlock(series=series, first=first, last=last)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody with one key and the standard puzzle of it."""

    key: PrivateKey
    puzzle: Program
    puzzle_hash: PuzzleHash


def person(name: str) -> Person:
    """The person of that name, who always has the same key."""
    key = AugSchemeMPL.key_gen(sha256(name.encode()).digest())
    puzzle = standard_puzzle(key.get_g1())
    key = calculate_synthetic_secret_key(key, DEFAULT_HIDDEN_PUZZLE_HASH)
    return Person(key=key, puzzle=puzzle, puzzle_hash=hash_of(puzzle))


def hash_of(puzzle: Program) -> PuzzleHash:
    """The tree hash of a puzzle."""
    return PuzzleHash(bytes(puzzle.get_tree_hash()))


ALICE, BOB, MALLORY = person("alice"), person("bob"), person("mallory")
ISSUER, GOVERNOR, CASHIER = person("issuer"), person("governor"), person("cashier")
ANYONE = Program.to(1)
"""The puzzle that puts out its solution: no key, for coins whose owner does not matter."""


def id_of(coin: Coin) -> CoinId:
    """The coin's id as our own type."""
    return CoinId(bytes(coin.name()))


def coin_spend(coin: Coin, puzzle: Program, solution: Program) -> CoinSpend:
    """A spend of the coin."""
    return CoinSpend(coin, puzzle.to_serialized(), solution.to_serialized())


def quoted(conditions: Iterable[object]) -> Program:
    """The standard puzzle's solution whose signature covers these conditions."""
    return quoted_solution([Program.to(condition) for condition in conditions])


def conditions_of(each: CoinSpend) -> Iterator[Program]:
    """What the spend puts out, run by a block's rules."""
    puzzle, solution = (Program.from_bytes(bytes(part)) for part in (each.puzzle_reveal, each.solution))
    _, result = puzzle.run_with_flags(CONSTANTS.MAX_BLOCK_COST_CLVM, LAXEST_FLAGS, solution)
    while result.pair is not None:
        yield Program(result.pair[0])
        result = Program(result.pair[1])


def sign(spends: Iterable[CoinSpend], *people: Person) -> G2Element:
    """All that these people's keys can sign of what the spends ask for (AGG_SIG_ME)."""
    keys = {bytes(each.key.get_g1()): each.key for each in people}
    signatures = []
    for each in spends:
        try:
            asked = list(conditions_of(each))
        except ValueError:
            continue  # a spend that raises asks for no signature, and none would help it
        for condition in asked:
            opcode, public_key, message = ([part.atom for part in first_items(condition, 3)] + [None] * 3)[:3]
            if opcode == b"\x32" and public_key in keys and message is not None:
                text = message + bytes(each.coin.name()) + AGG_SIG_ME_DATA
                signatures.append(AugSchemeMPL.sign(keys[public_key], text))
    return AugSchemeMPL.aggregate(signatures)


def bundle(spends: Sequence[CoinSpend], *people: Person, also: G2Element = NO_SIGNATURE) -> SpendBundle:
    """The spends, signed with these people's keys, and with signatures that were given for an earlier bundle."""
    return SpendBundle(list(spends), AugSchemeMPL.aggregate([sign(spends, *people), also]))


def run_as_block(
    what: SpendBundle, flags: int = LAXEST_FLAGS, *, check_signature: bool = True
) -> SpendBundleConditions:
    """What chia's block code makes of the bundle; raises Refused. It knows nothing of which coins exist."""
    spends = [(each.coin, bytes(each.puzzle_reveal), bytes(each.solution)) for each in what.coin_spends]
    error, name, conditions = run_block_generator2(
        solution_generator(spends),
        [],
        CONSTANTS.MAX_BLOCK_COST_CLVM,
        flags if check_signature else flags | DONT_VALIDATE_SIGNATURE,
        what.aggregated_signature,
        None,
        CONSTANTS,
    )
    if conditions is None:
        raise Refused(name or f"consensus error {error}")
    return conditions


class Chain:
    """The simulator, and a farmer beside it who would take anything that a block may hold."""

    def __init__(self) -> None:
        self._simulator = sdk.Simulator.with_seed(1)

    @property
    def height(self) -> int:
        """The newest block's height."""
        return int(self._simulator.height())

    def coin(self, puzzle_hash: PuzzleHash, amount: int) -> Coin:
        """A coin out of nothing."""
        made = self._simulator.new_coin(bytes(puzzle_hash), amount)
        return Coin(bytes32(made.parent_coin_info), bytes32(made.puzzle_hash), uint64(made.amount))

    def is_unspent(self, coin: Coin) -> bool:
        """Whether the coin is there."""
        state = self._simulator.coin_state(bytes(coin.name()))
        return state is not None and state.spent_height is None

    def push(self, what: SpendBundle) -> None:
        """Put the bundle into the next block; raises Refused with the simulator's reason."""
        spends = [
            sdk.CoinSpend(
                sdk.Coin(bytes(each.coin.parent_coin_info), bytes(each.coin.puzzle_hash), each.coin.amount),
                bytes(each.puzzle_reveal),
                bytes(each.solution),
            )
            for each in what.coin_spends
        ]
        signature = sdk.Signature.from_bytes(bytes(what.aggregated_signature))
        try:
            self._simulator.new_transaction(sdk.SpendBundle(spends, signature))
        except ValueError as error:
            raise Refused(str(error)) from error

    def farm(self, what: SpendBundle) -> SpendBundleConditions:
        """What a farmer's own block would do with the bundle; raises Refused. Changes nothing."""
        conditions = run_as_block(what)
        made = {
            Coin(bytes32(spend.coin_id), bytes32(puzzle_hash), uint64(amount)).name()
            for spend in conditions.spends
            for puzzle_hash, amount, _ in spend.create_coin
        }
        for each in what.coin_spends:
            if each.coin.name() not in made and not self.is_unspent(each.coin):
                raise Refused(f"coin {each.coin.name().hex()} is spent or was never made")
        if conditions.addition_amount > conditions.removal_amount:
            raise Refused("mojos out of nothing")
        return conditions

    def takes(self, what: SpendBundle) -> bool:
        """Whether the bundle gets through one of the two doors; if so, the simulator's coins change."""
        try:
            self.push(what)
        except Refused:
            pass
        else:
            return True
        try:
            self.farm(what)
        except Refused:
            return False
        return True

    def why_not(self, what: SpendBundle) -> str:
        """Why neither door lets the bundle through, in the block code's words; fails the test if one does."""
        try:
            self.farm(what)
        except Refused as refusal:
            reason = str(refusal)
        else:
            raise AssertionError("a farmer could put this bundle into a block")
        try:
            self.push(what)
        except Refused:
            return reason
        raise AssertionError("the simulator took this bundle")


@dataclass(frozen=True, kw_only=True)
class Held:
    """A token coin in somebody's hands."""

    coin: Coin
    token: Token
    inner_puzzle: Program
    lineage: LineageProof

    def spend(self, solution: Program, delta: int = 0) -> CatSpend:
        """The coin's part of a ring."""
        return CatSpend(
            coin=self.coin,
            asset_id=self.token.asset_id,
            inner_puzzle=self.inner_puzzle,
            inner_solution=solution,
            lineage_proof=self.lineage,
            delta=delta,
        )

    def child(self, inner_puzzle: Program, amount: int) -> Held:
        """The token coin that this one's spend makes."""
        return Held(
            coin=token_coin(self.coin, self.token.asset_id, hash_of(inner_puzzle), amount),
            token=self.token,
            inner_puzzle=inner_puzzle,
            lineage=lineage_proof(self.coin, hash_of(self.inner_puzzle)),
        )


def token_coin(parent: Coin, asset_id: AssetId, inner_puzzle_hash: PuzzleHash, amount: int) -> Coin:
    """The token coin that this parent makes for that inner puzzle."""
    return Coin(parent.name(), bytes32(cat_puzzle_hash(asset_id, inner_puzzle_hash)), uint64(amount))


@dataclass(frozen=True, kw_only=True)
class Retiring:
    """A retirement about to be pushed: the token coin's part of its ring, and the receipt that it leaves."""

    held: Held
    part: CatSpend
    receipt: Coin
    delta: int
    record: Program

    @property
    def spends(self) -> list[CoinSpend]:
        """The ring of this one coin."""
        return cat_ring([self.part])

    @property
    def seal(self) -> CoinSpend:
        """The receipt's spend."""
        return seal(self.receipt, self.delta, self.record)


def retiring(held: Held, units: int, *, record: Program = RECORD, change: bool = True, seals: bool = False) -> Retiring:
    """The holder retires units and gets the change; with `seals` she asserts that the receipt is spent beside it."""
    delta = delta_of(units)
    receipt = receipt_coin(id_of(held.coin), delta, record)
    conditions = [run_tail(held.token.tail, retire_solution(units, record))]
    rest = held.coin.amount + delta
    if change and rest > 0:
        conditions.append(payment(hash_of(held.inner_puzzle), Mojos(rest)))
    if seals:
        conditions.append(assert_spent_together(id_of(receipt)))
    part = held.spend(quoted(conditions), delta)
    return Retiring(held=held, part=part, receipt=receipt, delta=delta, record=record)


@dataclass(frozen=True, kw_only=True)
class Issuing:
    """An issue about to be pushed, part by part."""

    issues: tuple[PlannedIssue, ...]
    funding: Coin
    registry: CoinSpend
    payer: CoinSpend
    eves: tuple[CoinSpend, ...]
    next_coin: RegistryCoin
    free: FreeSerials

    @property
    def spends(self) -> list[CoinSpend]:
        """All of it."""
        return [self.registry, self.payer, *self.eves]

    def held(self, owner: Program, number: int = 0) -> Held:
        """The issued coin in the hands of that inner puzzle's owner."""
        issue, funding_id = self.issues[number], id_of(self.funding)
        return Held(
            coin=issue.issued_coin(funding_id),
            token=issue.token,
            inner_puzzle=owner,
            lineage=lineage_proof(issue.eve_coin(funding_id), hash_of(issue.eve_inner_puzzle)),
        )


class Stage:
    """One registry on one chain. `registry` is its newest coin and `free` its free serials."""

    def __init__(
        self,
        *,
        issuer_puzzle: Program = ISSUER.puzzle,
        governor_puzzle: Program = GOVERNOR.puzzle,
        chain: Chain | None = None,
    ) -> None:
        self.chain = chain or Chain()
        self.owners = Owners(issuer_puzzle=issuer_puzzle, governor_puzzle_hash=hash_of(governor_puzzle))
        funding = self.fund(1)
        launched = launch(id_of(funding), self.owners, "Kingdom of Bhutan")
        payer = coin_spend(funding, ANYONE, Program.to(list(launched.funding_conditions)))
        self.chain.push(bundle([payer, launched.spend]))
        self.registry = launched.first_coin
        self.free = FreeSerials()

    def fund(self, amount: int, owner: Program = ANYONE) -> Coin:
        """A plain coin of that amount."""
        return self.chain.coin(hash_of(owner), amount)

    def as_issuer(self, conditions: Iterable[object]) -> CoinSpend:
        """The registry's spend in which the issuer's key signs these conditions."""
        return self.registry.spend_as_issuer(quoted(conditions))

    def as_governor(self, conditions: Iterable[object]) -> CoinSpend:
        """The registry's spend in which the governor's key signs these conditions."""
        return self.registry.spend_as_governor(GOVERNOR.puzzle, quoted(conditions))

    def keep_on(self, amount: int = 1) -> Program:
        """The odd CREATE_COIN by which the registry goes on with its own owners."""
        return next_coin_condition(self.owners.owners_hash, amount)

    @staticmethod
    def order_hash(order: Iterable[Program]) -> bytes:
        """What the cold governor's message says: the tree hash of the order."""
        return bytes(Program.to(list(order)).get_tree_hash())

    def planning(
        self, *blocks: UnitBlock, receiver: PuzzleHash = ALICE.puzzle_hash, metadata: Program = METADATA
    ) -> tuple[tuple[PlannedIssue, ...], FreeSerials]:
        """The issues of these blocks as our own driver plans them, and the tree after them."""
        free = self.free.copy()
        requests = [IssueRequest(block=each, metadata=metadata, receiver=receiver) for each in blocks]
        return plan_issues(self.registry, free, requests).issues, free

    def issuing(
        self,
        *blocks: UnitBlock,
        receiver: PuzzleHash = ALICE.puzzle_hash,
        metadata: Program = METADATA,
        others: Iterable[object] = (),
    ) -> Issuing:
        """An honest issue of these blocks: registry, one coin that pays for all, and the eve coins."""
        issues, free = self.planning(*blocks, receiver=receiver, metadata=metadata)
        said = [Program.to(each) for each in others]
        registry = self.as_issuer(conditions_for_issuer([each.condition for each in issues], self.owners, said))
        funding = self.fund(sum(each.amount for each in issues), CASHIER.puzzle)
        payer = coin_spend(funding, CASHIER.puzzle, quoted(self.paying(issues, funding)))
        return Issuing(
            issues=issues,
            funding=funding,
            registry=registry,
            payer=payer,
            eves=tuple(each.eve_spend(id_of(funding)) for each in issues),
            next_coin=self.registry.child(free.root, self.owners),
            free=free,
        )

    def paying(self, issues: Iterable[PlannedIssue], funding: Coin) -> list[Program]:
        """What the funding coin signs: the eve coins, only beside the registry's spend and theirs."""
        conditions = [assert_spent_together(id_of(self.registry.coin))]
        for each in issues:
            conditions.append(create_coin(each.eve_puzzle_hash, each.amount))
            conditions.append(assert_spent_together(id_of(each.eve_coin(id_of(funding)))))
        return conditions

    def issue(self, *blocks: UnitBlock, owner: Person = ALICE, metadata: Program = METADATA) -> list[Held]:
        """Issue these blocks to the owner, for real."""
        issuing = self.issuing(*blocks, receiver=owner.puzzle_hash, metadata=metadata)
        self.chain.push(bundle(issuing.spends, ISSUER, CASHIER))
        self.registry, self.free = issuing.next_coin, issuing.free
        return [issuing.held(owner.puzzle, number) for number in range(len(blocks))]

    def move(
        self,
        spend: CoinSpend,
        *people: Person,
        beside: Sequence[CoinSpend] = (),
        owners: Owners | None = None,
        also: G2Element = NO_SIGNATURE,
    ) -> None:
        """Push a spend of the registry that issues nothing, and follow it."""
        self.chain.push(bundle([spend, *beside], *people, also=also))
        self.owners = owners or self.owners
        self.registry = self.registry.child(self.registry.root, self.owners)

    def send(self, held: Held, *payments: tuple[Person, int], by: Person = ALICE) -> list[Held]:
        """The holder pays these people, for real."""
        conditions = [payment(to.puzzle_hash, Mojos(amount)) for to, amount in payments]
        self.chain.push(bundle(cat_ring([held.spend(quoted(conditions))]), by))
        return [held.child(to.puzzle, amount) for to, amount in payments]


def public_key(who: Person) -> G1Element:
    """The person's public key."""
    return who.key.get_g1()
