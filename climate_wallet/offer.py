"""Chia's offers as text: half a trade, signed by who made it, that anyone may complete; read here as a stranger's.

The rules guarded here: what an offer gives and asks is read from what its spends do under consensus, in a rehearsal
with the taker's side imagined, never from what it says; its own signature must fit; and what is no plain trade of
XCH and CATs (other kinds of coins, tails that run, coins tied to an age) is refused by name.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from secrets import token_bytes

from chia.types.blockchain_format.program import Program
from chia.util.bech32m import bech32_decode, convertbits
from chia.util.errors import ValidationError
from chia.wallet.trading.offer import Offer as ChiaOffer
from chia.wallet.util.puzzle_compression import CompressionVersionError, decompress_object_with_puzzles
from chia.wallet.wallet_spend_bundle import WalletSpendBundle
from chia_puzzles_py.programs import (
    CAT_PUZZLE,
    CREDENTIAL_RESTRICTION,
    REVOCATION_LAYER,
    SINGLETON_TOP_LAYER,
    SINGLETON_TOP_LAYER_V1_1,
)
from chia_rs import (
    Coin,
    CoinSpend,
    G2Element,
    SpendBundle,
    SpendBundleConditions,
    get_flags_for_height_and_constants,
    run_chia_program,
    validate_clvm_and_signature,
)
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint64

from chain.network import Network
from chain.refusals import consensus_reason
from climate_wallet.errors import OfferMalformed, OfferUnsupported
from climate_wallet.offer_amounts import MAX_TEXT
from puzzles.cat import CREATE_COIN, TAIL_MARKER, CatReading, first_items, read_cat_spend
from puzzles.errors import PuzzleError
from puzzles.program import is_curry_of
from puzzles.settlement import (
    ASSERT_PUZZLE_ANNOUNCEMENT,
    PaymentGroup,
    SettlementCoin,
    imagined_coin,
    read_groups,
    settle,
    settlement_coin,
    settlement_puzzle,
    settlement_puzzle_hash,
)
from puzzles.tree import unfolded
from puzzles.units import AssetId, CoinId, Height, Mojos

PREFIX = "offer"
MAX_BYTES = 600_000
"""Most bytes that they may unfold to."""
MAX_OFFER_COST = 2_000_000_000
"""Most CLVM cost of an offer with its payments: some fifty token coins, and a second or two of our time."""
MAX_OUTPUTS = 10_000
"""Most conditions of an offer that are looked at; a coin has some five."""
MAX_SPENDS = 200
"""Most spends of an offer that are looked at."""

_NO_PARENT = bytes32(bytes(32))
"""Parent of the coins that stand in an offer for what it asks: no coin on chain has it."""

FOREIGN = (
    (SINGLETON_TOP_LAYER_V1_1, "a singleton, such as an NFT or a data store"),
    (SINGLETON_TOP_LAYER, "a singleton, such as an NFT or a DID"),
    (REVOCATION_LAYER, "a CAT that its issuer can take back"),
    (CREDENTIAL_RESTRICTION, "a CAT for holders of a credential"),
    (CAT_PUZZLE, "a CAT with a false mod hash"),
)
"""Kinds of coins that this wallet does not trade; the last is asked only of what is no true CAT."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the offer asks of one asset (None: XCH): the payments, as groups, and their mojos together."""

    asset_id: AssetId | None
    groups: tuple[PaymentGroup, ...]

    @property
    def amount(self) -> Mojos:
        """Mojos of all payments."""
        return Mojos(sum(group.amount for group in self.groups))


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the offer gives of one asset (None: XCH): settlement coins, which its spends make."""

    asset_id: AssetId | None
    coins: tuple[SettlementCoin, ...]

    @property
    def amount(self) -> Mojos:
        """Mojos of all coins."""
        return Mojos(sum(coin.amount for coin in self.coins))


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """When an offer can be taken: the newest transaction block must have reached the first two, not the last two."""

    from_height: Height | None = None
    from_timestamp: int | None = None
    before_height: Height | None = None
    before_timestamp: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """An offer that reads, rehearsed under consensus; `fee` is what its maker pays of it, `inputs` coins on chain."""

    offer_id: bytes
    bundle: SpendBundle
    given: tuple[Given, ...]
    asked: tuple[Asked, ...]
    inputs: tuple[CoinId, ...]
    fee: Mojos
    times: Times


def write_offer(spends: Sequence[CoinSpend], signature: G2Element, asked: Iterable[Asked]) -> str:
    """The offer as text, `offer1...`, by chia's own code."""
    stand_ins = [
        CoinSpend(
            Coin(_NO_PARENT, bytes32(settlement_puzzle_hash(each.asset_id)), uint64(0)),
            settlement_puzzle(each.asset_id).to_serialized(),
            Program.to([group.program for group in each.groups]).to_serialized(),
        )
        for each in asked
    ]
    return ChiaOffer.from_spend_bundle(WalletSpendBundle([*stand_ins, *spends], signature)).to_bech32()


def read_offer(text: str, network: Network, height: Height) -> Offer:
    """The offer in that text, under the rules at that height of the network.

    Raises OfferMalformed for what is none or would never be valid, OfferUnsupported for what is no plain trade. What a
    stranger wrote is run twice, each time up to MAX_OFFER_COST.
    """
    whole = _decoded(text)
    made, asked = _parted(whole)
    readings = {bytes(spend.coin.name()): _cat_reading(spend) for spend in made}
    bundle = SpendBundle(made, whole.aggregated_signature)
    conditions = _rehearsed(bundle, asked, network, height)
    _check_kinds(conditions)
    _check_outputs((output for spend in made for output in _outputs(spend, readings)), asked)
    given = _given(made, readings, conditions)
    if not given:
        raise OfferUnsupported("the offer gives nothing that this wallet can take: expected XCH or a CAT")
    if {each.asset_id for each in given} & {each.asset_id for each in asked}:
        raise OfferUnsupported("the offer gives and asks the same asset: that is no trade")
    return Offer(
        offer_id=bytes(whole.name()),
        bundle=bundle,
        given=given,
        asked=asked,
        inputs=_outside(conditions),
        fee=Mojos(int(conditions.removal_amount) - int(conditions.addition_amount)),
        times=_times(conditions),
    )


def _decoded(text: str) -> SpendBundle:
    text = text.strip()
    if len(text) > MAX_TEXT:
        raise OfferMalformed(f"the offer has {len(text)} characters: expected at most {MAX_TEXT}")
    prefix, data = bech32_decode(text, max_length=MAX_TEXT)
    if prefix != PREFIX or data is None:
        raise OfferMalformed("the text is not an offer: expected one that begins with offer1, whole and unchanged")
    try:
        unfolded_bytes = decompress_object_with_puzzles(bytes(convertbits(data, 5, 8, False)))
        if len(unfolded_bytes) > MAX_BYTES:
            raise OfferMalformed(f"the offer unfolds to more than {MAX_BYTES} bytes: no wallet makes such a one")
        return SpendBundle.from_bytes(unfolded_bytes)
    except CompressionVersionError as error:
        raise OfferMalformed("the offer is written in a version that this program does not know: update it") from error
    except (ValueError, TypeError, zlib.error) as error:
        raise OfferMalformed("the offer does not read: it was not written by a wallet, or was cut short") from error


def _parted(whole: SpendBundle) -> tuple[list[CoinSpend], tuple[Asked, ...]]:
    """The maker's spends, and what the offer asks."""
    if len(whole.coin_spends) > MAX_SPENDS:
        raise OfferUnsupported(f"the offer has {len(whole.coin_spends)} spends: expected at most {MAX_SPENDS}")
    if len({spend.coin.name() for spend in whole.coin_spends}) < len(whole.coin_spends):
        raise OfferMalformed("the offer spends a coin twice")
    made: list[CoinSpend] = []
    asked: dict[AssetId | None, Asked] = {}
    for spend in whole.coin_spends:
        if spend.coin.parent_coin_info != _NO_PARENT:
            made.append(spend)
            continue
        asking = _asked(spend)
        if asking.asset_id in asked or asking.amount >= 2**64:
            raise OfferMalformed("the offer asks for one asset twice, or for more than a coin can hold")
        asked[asking.asset_id] = asking
    if not asked:
        raise OfferUnsupported(
            "the offer asks for nothing: whoever is first takes a gift, so ask its maker to send it to you instead"
        )
    return made, tuple(asked.values())


def _asked(spend: CoinSpend) -> Asked:
    puzzle_hash = bytes(spend.puzzle_reveal.get_tree_hash())
    asset_id = None
    if puzzle_hash != settlement_puzzle_hash(None):
        reading = _cat_reading(spend, is_asked=True)
        if reading is None or puzzle_hash != settlement_puzzle_hash(reading.asset_id):
            raise OfferUnsupported("the offer asks for something that is neither XCH nor a plain CAT")
        asset_id = reading.asset_id
    if bytes(spend.coin.puzzle_hash) != puzzle_hash:
        raise OfferMalformed("the offer asks for one thing by its puzzle, and for another by its puzzle hash")
    try:
        groups = read_groups(Program.from_serialized(spend.solution))
    except PuzzleError as error:
        raise OfferMalformed(f"the offer does not read: {error}") from error
    return Asked(asset_id=asset_id, groups=groups)


def _cat_reading(spend: CoinSpend, *, is_asked: bool = False) -> CatReading | None:
    """The spend as a CAT's, None if it is XCH's; raises OfferUnsupported for every other kind, and if a tail runs."""
    puzzle = bytes(spend.puzzle_reveal)
    # what is asked is shown with a list of payments where a CAT's solution would stand: its puzzle alone is read
    shown = CoinSpend(spend.coin, spend.puzzle_reveal, _ANY_CAT_SOLUTION) if is_asked else spend
    reading = read_cat_spend(shown)
    layers = [mod for mod in FOREIGN if reading is None or mod[0] != CAT_PUZZLE]
    for mod, kind in layers:
        if is_curry_of(puzzle if reading is None else reading.inner_puzzle_bytes, mod):
            raise OfferUnsupported(f"the offer is about {kind}: this wallet trades XCH and plain CATs")
    if reading is not None and not is_asked and (reading.delta or not reading.parent_is_cat):
        raise OfferUnsupported(
            f"the offer would run the tail of the token 0x{reading.asset_id.hex()} on the side, as when units are "
            "retired, melted or made: an honest offer only moves them"
        )
    return reading


_ANY_CAT_SOLUTION = Program.to([0] * 7).to_serialized()


def _rehearsed(bundle: SpendBundle, asked: Sequence[Asked], network: Network, height: Height) -> SpendBundleConditions:
    """What the offer's spends do once it is paid, by coins that are imagined; its signature must fit with no other."""
    payers: list[CoinSpend] = []
    for each in asked:
        payers += settle([imagined_coin(each.amount, each.asset_id, token_bytes(32))], each.groups)
    trial = SpendBundle([*bundle.coin_spends, *payers], bundle.aggregated_signature)
    flags = get_flags_for_height_and_constants(height, network.constants)
    try:
        conditions, _, _ = validate_clvm_and_signature(trial, MAX_OFFER_COST, network.constants, flags)
    except (ValidationError, ValueError, TypeError) as error:
        raise OfferMalformed(_refused(error, network)) from error
    imagined = {bytes(spend.coin.name()) for spend in payers}
    return conditions.replace(spends=[each for each in conditions.spends if bytes(each.coin_id) not in imagined])


def _refused(error: Exception, network: Network) -> str:
    code = consensus_reason(error)
    match code:
        case "BAD_AGGREGATE_SIGNATURE":
            return f"the offer's signature does not fit: it was changed, or is not for {network.name}"
        case "ASSERT_ANNOUNCE_CONSUMED_FAILED":
            return "the offer's coins want another payment than the one it shows: it was changed after it was signed"
        case "WRONG_PUZZLE_HASH":
            return "the offer shows a puzzle that is not its coin's own"
        case "BLOCK_COST_EXCEEDS_MAX":
            return f"the offer costs more than {MAX_OFFER_COST} to run: no plain trade does"
        case "MINTING_COIN":
            return "the offer gives more than its coins hold"
        case _:
            reason = f" ({code})" if code else ""
            return f"the offer would be refused by every node even when it is paid{reason}"


def _check_kinds(conditions: SpendBundleConditions) -> None:
    """Refuse what hangs on the age of a coin: nobody can say when it ends."""
    for spend in conditions.spends:
        ages = (
            spend.height_relative,
            spend.seconds_relative,
            spend.before_height_relative,
            spend.before_seconds_relative,
            spend.birth_height,
            spend.birth_seconds,
        )
        if any(age is not None for age in ages):
            raise OfferUnsupported("the offer depends on the age of a coin: expected a height or a time, or no end")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Output:
    """A condition that a spend's owner put out: its first argument, and its second as a number."""

    opcode: bytes
    argument: bytes
    amount: int
    is_of_cat: bool


def _outputs(spend: CoinSpend, readings: Mapping[bytes, CatReading | None]) -> Iterator[_Output]:
    """What the owner's puzzle puts out, inside the CAT if it is one; consensus has run it, so its cost is bounded."""
    reading = readings[bytes(spend.coin.name())]
    puzzle, solution = bytes(spend.puzzle_reveal), bytes(spend.solution)
    if reading is not None:
        puzzle, solution = reading.inner_puzzle_bytes, bytes(reading.inner_solution)
    tree = unfolded(run_chia_program(puzzle, solution, MAX_OFFER_COST, 0)[1])
    while tree.pair is not None:
        parts = [part.atom or b"" for part in first_items(Program(tree.pair[0]), 3)] + [b""] * 3
        amount = int.from_bytes(parts[2][:9], "big", signed=True)
        yield _Output(opcode=parts[0], argument=parts[1], amount=amount, is_of_cat=reading is not None)
        tree = Program(tree.pair[1])


def _check_outputs(outputs: Iterable[_Output], asked: Iterable[Asked]) -> None:
    """Hold: no tail runs unseen, and each payment the offer shows is asserted by a coin of it."""
    asserted: set[bytes] = set()
    for count, output in enumerate(outputs):
        if count == MAX_OUTPUTS:
            raise OfferUnsupported(f"the offer puts out more than {MAX_OUTPUTS} conditions: no plain trade does")
        if output.opcode == CREATE_COIN and output.amount == TAIL_MARKER and output.is_of_cat:
            raise OfferUnsupported("the offer would run a token's tail on the side: an honest offer only moves it")
        if output.opcode == bytes([ASSERT_PUZZLE_ANNOUNCEMENT]):
            asserted.add(output.argument)
    for each in asked:
        if any(group.announcement_id(each.asset_id) not in asserted for group in each.groups):
            raise OfferMalformed("the offer's coins do not insist on the payment it shows: it was not made by a wallet")


def _given(
    made: Iterable[CoinSpend], readings: Mapping[bytes, CatReading | None], conditions: SpendBundleConditions
) -> tuple[Given, ...]:
    """Settlement coins that the offer's spends leave, by asset; a token's only as the child of a coin of that token."""
    spends = {bytes(spend.coin.name()): spend for spend in made}
    found: dict[AssetId | None, list[SettlementCoin]] = {}
    for spend in conditions.spends:
        parent = spends[bytes(spend.coin_id)].coin
        reading = readings[bytes(spend.coin_id)]
        asset_id = None if reading is None else reading.asset_id
        inner = None if reading is None else reading.inner_puzzle_hash
        for puzzle_hash, amount, _ in spend.create_coin:
            if bytes(puzzle_hash) != settlement_puzzle_hash(asset_id):
                continue
            coin = settlement_coin(parent, Mojos(int(amount)), asset_id, inner)
            if bytes(coin.coin.name()) in spends:
                continue
            if not amount:
                raise OfferUnsupported("the offer gives a coin of no amount: an honest one gives something")
            found.setdefault(asset_id, []).append(coin)
    if any(sum(coin.amount for coin in coins) >= 2**64 for coins in found.values()):
        raise OfferUnsupported("the offer gives more of one asset than a coin can hold")
    return tuple(Given(asset_id=asset_id, coins=tuple(coins)) for asset_id, coins in found.items())


def _outside(conditions: SpendBundleConditions) -> tuple[CoinId, ...]:
    """Coins the offer spends and does not make itself."""
    made = {
        bytes(Coin(bytes32(spend.coin_id), bytes32(puzzle_hash), uint64(amount)).name())
        for spend in conditions.spends
        for puzzle_hash, amount, _ in spend.create_coin
    }
    return tuple(CoinId(bytes(spend.coin_id)) for spend in conditions.spends if bytes(spend.coin_id) not in made)


def _times(conditions: SpendBundleConditions) -> Times:
    before_height = conditions.before_height_absolute
    before_timestamp = conditions.before_seconds_absolute
    return Times(
        from_height=Height(conditions.height_absolute) if conditions.height_absolute else None,
        from_timestamp=int(conditions.seconds_absolute) or None,
        before_height=None if before_height is None else Height(before_height),
        before_timestamp=None if before_timestamp is None else int(before_timestamp),
    )
