"""Take units back on request: the holder's signed half arrives as a file, the registry adds its own.

The rules guarded here: the half must burn whole units of one token that this registry issued, and the
registry's message is bound to that very coin and amount, so nothing else can be done with it. What the half
says of itself is not believed: everything is read from its spends.
"""

from __future__ import annotations

from dataclasses import dataclass

from chia.types.blockchain_format.program import Program
from chia_rs import CoinSpend, SpendBundle

from chain.errors import RequestError
from chain.json_values import parse_json, to_hex
from climate_wallet.errors import BuildError
from puzzles.cat import MAX_COST, TAIL_MARKER, list_items, read_cat_spend
from puzzles.errors import MalformedSpend, UnitsError
from puzzles.owners import detokenize_condition
from puzzles.recognise import Detokenization, read_token_spend
from puzzles.registry_ledger import conditions_for_issuer
from puzzles.standard import quoted_solution
from puzzles.units import AssetId, CoinId, Mojos, PuzzleHash, UnitBlock, mojos_to_units
from tokenization_engine.bundles import finish, pay
from tokenization_engine.desk import Desk, Lookout, signer
from tokenization_engine.errors import RequestInvalid
from tokenization_engine.journal import Built, Job, Kind, NewJob, write_down
from tokenization_engine.registry import RegistryState

MAX_REQUEST_BYTES = 4 * 1024 * 1024
BUNDLE_KEY = "spend_bundle"


@dataclass(frozen=True, kw_only=True)
class Half:
    """The holder's half as read from its spends: which coin burns how much of which token of ours."""

    bundle: SpendBundle
    coin_id: CoinId
    asset_id: AssetId
    block: UnitBlock | None
    units: int
    delta: int


def read_half(data: bytes) -> SpendBundle:
    """The signed half in a request file: JSON with the bundle, streamed in hex or as chia writes it in JSON.

    Raises RequestInvalid.
    """
    if len(data) > MAX_REQUEST_BYTES:
        raise RequestInvalid(f"the request has {len(data)} bytes: expected at most {MAX_REQUEST_BYTES}")
    try:
        value = parse_json(data)
    except (RequestError, UnicodeDecodeError) as error:
        raise RequestInvalid("the request is not JSON: expected the file that the holder's wallet wrote") from error
    if not isinstance(value, dict) or BUNDLE_KEY not in value:
        raise RequestInvalid(f"the request has no {BUNDLE_KEY!r}: expected the file that the holder's wallet wrote")
    return read_bundle(value[BUNDLE_KEY])


def read_bundle(value: object) -> SpendBundle:
    """The bundle as 0x hex of its streamed bytes, or in chia's JSON; raises RequestInvalid."""
    try:
        if isinstance(value, str):
            return SpendBundle.from_bytes(bytes.fromhex(value.removeprefix("0x")))
        if isinstance(value, dict):
            return SpendBundle.from_json_dict(value)
    except (ValueError, KeyError, TypeError) as error:
        raise RequestInvalid("the request's bundle does not read: the file is cut off, or not the wallet's") from error
    raise RequestInvalid("the request's bundle is neither hex nor an object: expected the file that the wallet wrote")


def check_half(state: RegistryState, bundle: SpendBundle) -> Half:
    """What the half burns; raises RequestInvalid unless it detokenizes whole units of one token of the registry."""
    halves = [half for spend in bundle.coin_spends if (half := _burnt_by(state, bundle, spend)) is not None]
    if len(halves) != 1:
        raise RequestInvalid(
            f"the request hands back units in {len(halves)} coins: expected one coin of a token of this registry that "
            "detokenizes"
        )
    return halves[0]


def _burnt_by(state: RegistryState, bundle: SpendBundle, spend: CoinSpend) -> Half | None:
    """The burn of that spend, or None if it burns nothing."""
    try:
        reading = read_cat_spend(spend)
        if reading is None or reading.delta >= 0:
            return None
        issued = state.issued.get(reading.asset_id)
        if issued is None:
            raise RequestInvalid(
                f"the token {to_hex(reading.asset_id)} is none of the registry {to_hex(state.registry_id)}"
            )
        token = issued.issuance.token
        read = read_token_spend(spend, asset_id=token.asset_id, issuance_hash=token.issuance_hash)
        if not isinstance(read.burn, Detokenization):
            raise RequestInvalid("the request retires its units, which is for good: expected a detokenization")
        units = mojos_to_units(-read.burn.delta)
        signed_for = _signed_for(reading.inner_puzzle, reading.inner_solution)
    except (MalformedSpend, UnitsError, ValueError) as error:
        raise RequestInvalid(f"the request's spend of {spend.coin.name().hex()} does not read: {error}") from error
    if signed_for != state.inner_puzzle_hash:
        raise RequestInvalid(
            "the registry has moved on since the holder signed the request: ask for a new one, made against "
            f"the registry's inner puzzle hash {to_hex(state.inner_puzzle_hash)}"
        )
    return Half(
        bundle=bundle,
        coin_id=CoinId(bytes(spend.coin.name())),
        asset_id=token.asset_id,
        block=token.reading.block,
        units=units,
        delta=read.burn.delta,
    )


def _signed_for(puzzle: Program, solution: Program) -> PuzzleHash | None:
    """The registry's inner puzzle hash in the last TAIL condition, to which the holder's signature is bound."""
    _, result = puzzle.run_with_cost(MAX_COST, solution)
    found: PuzzleHash | None = None
    for condition in list_items(result) or []:
        items = list_items(condition) or []
        if len(items) > 4 and items[0].atom == b"\x33" and items[2].atom == TAIL_MARKER.to_bytes(1, "big", signed=True):
            claim = list_items(items[4]) or []
            found = PuzzleHash(claim[1].atom or b"") if len(claim) > 1 else None
    return found


async def check_coins(desk: Desk, half: Half) -> None:
    """Raise RequestInvalid unless every coin of the half is on chain and unspent."""
    made = {coin.name() for coin in half.bundle.additions()}
    wanted = [CoinId(bytes(coin.name())) for coin in half.bundle.removals() if coin.name() not in made]
    found = await desk.node.coins(wanted)
    for coin_id in wanted:
        coin = found.get(coin_id)
        if coin is None:
            raise RequestInvalid(f"the request's coin 0x{coin_id.hex()} is not on chain")
        if coin.spent_height is not None:
            raise RequestInvalid(f"the request's coin 0x{coin_id.hex()} was spent in block {coin.spent_height}")


async def take_on(desk: Desk, state: RegistryState, half: Half, fee: Mojos) -> int:
    """The job that grants the request; written down once the whole transaction was built and checked.

    Raises RequestInvalid, NotTheIssuer or NotEnoughFunds, and then nothing is written down.
    """
    await _assemble(desk, state, half, fee)
    new = NewJob(kind=Kind.DETOKENIZE, registry_id=state.registry_id, fee=fee, request=request_of(half))
    with desk.register.writing(desk.settings.author) as session:
        return write_down(session, new)


async def build(desk: Desk, state: RegistryState, job: Job) -> Built:
    """The transaction of that job on the newest registry coin; raises RequestInvalid if its half is void by now."""
    half = check_half(state, read_bundle(job.request[BUNDLE_KEY]))
    return await _assemble(desk, state, half, job.fee)


async def _assemble(desk: Desk, state: RegistryState, half: Half, fee: Mojos) -> Built:
    """The holder's half with the registry's message and our fee, signed and checked."""
    await check_coins(desk, half)
    owners = desk.owners(state).owners
    address = desk.issuer(owners)
    registry = state.coin(owners)
    registry_id = CoinId(bytes(registry.coin.name()))
    message = detokenize_condition(half.coin_id, half.delta)
    spend = registry.spend_as_issuer(quoted_solution(conditions_for_issuer([], owners, [message])))
    coins = await desk.choose(fee)
    funding = await pay(desk, coins, [], fee=fee, paid_for=registry_id)
    signers = [*coins, signer(address, registry.coin)]
    try:
        signed = await finish(desk, [spend, *funding], signers, fee=fee, foreign=half.bundle)
    except BuildError as error:
        raise RequestInvalid(f"the request does not hold together with the registry's half: {error}") from error
    return Built(bundle=signed.bundle, spent_coin_id=registry_id)


def request_of(half: Half) -> dict[str, object]:
    """What the journal keeps of it."""
    return {
        BUNDLE_KEY: to_hex(bytes(half.bundle)),
        "coin_id": to_hex(half.coin_id),
        "asset_id": to_hex(half.asset_id),
        "units": half.units,
    }


async def is_taken_back(desk: Lookout, state: RegistryState, job: Job) -> bool:
    """Whether the holder's coin was burnt in the very block of the registry's message."""
    assert job.spent_coin_id is not None
    height, _ = state.spends[job.spent_coin_id]
    coin_id = CoinId(bytes.fromhex(str(job.request["coin_id"]).removeprefix("0x")))
    coin = (await desk.node.coins([coin_id])).get(coin_id)
    return coin is not None and coin.spent_height == height
