"""Random hostile bundles, and a model that says which promise an accepted one broke.

The attacker has the issuer's key, the payer's, her own units, and whatever Alice and the governor signed for honest
bundles. The model knows which serials were issued, who holds what, and what Alice and the governor meant.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from random import Random

from chia.types.blockchain_format.program import Program
from chia_rs import Coin, CoinSpend, G2Element, SpendBundle, SpendBundleConditions
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint64

from puzzles.cat import cat_ring, payment, read_cat_spend, run_tail
from puzzles.errors import MalformedSpend, SpendRefused
from puzzles.owners import detokenize_condition
from puzzles.recognise import Detokenization, Retirement, read_registry_spend, read_token_spend
from puzzles.registry_ledger import Owners, ledger_puzzle_hash, next_coin_condition, statement_condition
from puzzles.singleton import singleton_puzzle_hash
from puzzles.unit_block_tail import Token, delta_of, detokenize_solution, retire_solution
from puzzles.units import Mojos, serial_key
from tests.puzzles.crafted import Claim, claim, everything_claim
from tests.puzzles.stage import (
    ALICE,
    ANYONE,
    CASHIER,
    GOVERNOR,
    ISSUER,
    MALLORY,
    NO_SIGNATURE,
    RECORD,
    SERIES,
    Held,
    Refused,
    Stage,
    block,
    bundle,
    coin_spend,
    conditions_of,
    hash_of,
    id_of,
    person,
    quoted,
    retiring,
    sign,
)

THIEF = Owners(issuer_puzzle=MALLORY.puzzle, governor_puzzle_hash=hash_of(ANYONE))
ROTATED = Owners(issuer_puzzle=person("new issuer").puzzle, governor_puzzle_hash=GOVERNOR.puzzle_hash)
ATTACKERS = (ISSUER, CASHIER, MALLORY)


@dataclass(kw_only=True)
class World:
    """A registry with a past. `signed` is what Alice's coins may burn, by coin id; `tokens` all ever named."""

    stage: Stage
    alices: Held
    mallorys: Held
    issued: list[tuple[bytes, int, int]]
    tokens: dict[bytes, Token] = field(default_factory=dict)
    signed: dict[bytes, int] = field(default_factory=dict)


def world() -> World:
    """Two blocks issued; of one of them Alice holds 95 units and Mallory 5."""
    stage = Stage()
    held, other = stage.issue(block(100, 199), block(255, 300))
    alices, mallorys = stage.send(held, (ALICE, 95_000), (MALLORY, 5000))
    usual = SERIES.encode()
    made = World(stage=stage, alices=alices, mallorys=mallorys, issued=[(usual, 100, 200), (usual, 255, 301)])
    for token in (held.token, other.token):
        made.tokens[bytes(token.asset_id)] = token
    return made


# ---- bundles


def hostile_bundle(rng: Random, world: World) -> SpendBundle | None:
    """Any bundle that an attacker may try; None if it could not even be written."""
    kind = rng.choice([_issue, _issue, _ring, _ring, _ring, _owner, _one_atom])
    world.signed.clear()
    try:
        return kind(rng, world)
    except (SpendRefused, OverflowError, ValueError):
        return None


def _claim(rng: Random, world: World) -> Claim:
    """Some serials, most of them near those issued, out of some leaf, with perhaps one part changed."""
    stage = world.stage
    first = max(rng.choice([1, 100, 150, 200, 255, 301, 1000, 2000, 3000, 4000]) + rng.randint(-2, 2), 0)
    last = max(first + rng.choice([-1, 0, 0, 1, 5, 53, 60]), 0)
    runs = stage.free.runs()
    if rng.random() < 0.1:
        made = everything_claim(stage, first, last)
    else:
        keys = serial_key(SERIES, first), serial_key(SERIES, last + 1)
        holding = [nth for nth, (start, end) in enumerate(runs) if start <= keys[0] and keys[1] <= end]
        run = holding[0] if holding and rng.random() < 0.8 else rng.randrange(len(runs))
        made = claim(stage, first, last, run=run)
    start, end = runs[rng.randrange(len(runs))]
    cut = rng.randint(37, 43)
    text = start + end
    change: dict[str, object] = rng.choice(
        [
            {},
            {},
            {"amount": max(made.amount + rng.choice([-1000, -1, 1, 1000]), 0)},
            {"delta": rng.choice([-1000, 1000])},
            {"before": text[:cut], "after": text[cut:]},
            {"path": rng.randint(0, 9)},
            {"siblings": tuple(rng.sample(list(made.siblings), len(made.siblings)))},
            {"place": (rng.randint(1, 3), (list(made.siblings), rng.choice([text, stage.free.root])))},
            {"series": rng.choice([b"A-1", b"BT-CDM2746-2021 ", b""])},
            {"first": first.to_bytes(rng.randint(5, 9), "big"), "end": (last + 1).to_bytes(rng.randint(5, 9), "big")},
        ]
    )
    return replace(made, **change)  # type: ignore[arg-type]  # names of its own fields


def _words(rng: Random, world: World) -> list[object]:
    """Things that an issuer may say besides."""
    stage = world.stage
    eve = claim(stage, 100, 199)
    world.tokens[bytes(eve.token.asset_id)] = eve.token
    pool: list[object] = [
        stage.keep_on(),
        stage.keep_on(3),
        stage.keep_on(-113),
        next_coin_condition(THIEF.owners_hash),
        statement_condition(Program.to([("kind", "first transfer")])),
        [66, rng.choice([19, 19, 18, 23, b"\0\x13"]), 0, eve.puzzle_hash, eve.amount],
        [51, stage.registry.coin.puzzle_hash, rng.choice([0, 1, 2])],
        [b"\0\x33", stage.owners.owners_hash, 1],
        detokenize_condition(id_of(world.alices.coin), rng.choice([-1000, -5000])),
    ]
    return rng.sample(pool, rng.choice([0, 0, 0, 0, 1, 2]))


def _issue(rng: Random, world: World) -> SpendBundle:
    """Some claims in the issuer's name, their eve coins, and words besides, in any order."""
    stage = world.stage
    claims = [_claim(rng, world) for _ in range(rng.choice([1, 1, 1, 2]))]
    for each in claims:
        world.tokens[bytes(each.token.asset_id)] = each.token
    conditions: list[object] = [*(each.condition for each in claims), stage.keep_on(), *_words(rng, world)]
    order = rng.random()
    if order < 0.1:
        rng.shuffle(conditions)
    elif order < 0.3:
        conditions.reverse()
    spends = [stage.as_issuer(conditions)]
    for each in claims:
        spends += each.eve(stage)
    if rng.random() < 0.1:
        spends += claims[0].eve(stage)
    if rng.random() < 0.1:
        spends.pop(rng.randrange(len(spends)))
    return bundle(spends, *ATTACKERS)


def _owner(rng: Random, world: World) -> SpendBundle:
    """The thief's own words, or the governor's rotation with the role flipped or another puzzle revealed."""
    stage = world.stage
    if rng.random() < 0.3:
        fake = _claim(rng, world)
        world.tokens[bytes(fake.token.asset_id)] = fake.token
        said = [66, rng.choice([19, 19, 18, 23, b"\0\x13"]), 0, fake.puzzle_hash, fake.amount]
        return bundle([stage.as_issuer([stage.keep_on(), said]), *fake.eve(stage)], *ATTACKERS)
    if rng.random() < 0.6:
        words = _words(rng, world) or _words(rng, world)
        spends = [stage.as_issuer([*words, stage.keep_on()] if rng.random() < 0.5 else words)]
        spends += claim(stage, 100, 199).eve(stage) if rng.random() < 0.7 else []
        return bundle(spends, *ATTACKERS)
    order = [next_coin_condition(ROTATED.owners_hash)]
    signed = stage.as_governor(order)
    shown = rng.choice([signed, stage.as_issuer(order), stage.registry.spend_as_governor(ANYONE, Program.to(order))])
    return bundle([shown], also=sign([signed], GOVERNOR) if rng.random() < 0.8 else NO_SIGNATURE)


def _meant(rng: Random, world: World) -> tuple[list[Program], int, bool]:
    """What Alice signs, the delta that she means by it, and whether the registry is to agree."""
    held = world.alices
    units = rng.choice([1, 10, 95])
    kind = rng.choice(["retire", "retire", "detokenize", "send"])
    tail_solution: Program | None = None
    if kind == "retire":
        tail_solution = retire_solution(units, RECORD)
    elif kind == "detokenize":
        tail_solution = detokenize_solution(held.token, world.stage.registry.inner_puzzle_hash, units)
    delta = 0 if tail_solution is None else delta_of(units)
    rest = held.coin.amount + delta
    conditions = [payment(ALICE.puzzle_hash, Mojos(rest))] if rest else []
    if tail_solution is not None:
        conditions.append(run_tail(held.token.tail, tail_solution))
    return conditions, delta, kind == "detokenize"


def _ring(rng: Random, world: World) -> SpendBundle:
    """Alice's coin as she signed it, with any delta; Mallory's beside it takes what is left, or burns."""
    alices, mallorys = world.alices, world.mallorys
    conditions, delta, asks_registry = _meant(rng, world)
    world.signed[bytes(alices.coin.name())] = delta
    honest = alices.spend(quoted(conditions), delta)
    put_out = alices.coin.amount + delta
    said = delta if rng.random() < 0.4 else delta + rng.choice([-1000, -1, 1, 500, 1000, -delta, 9000])
    mine, my_units = 0, rng.choice([0, 0, 1, 2, -1, -5])
    if my_units:
        mine = delta_of(my_units) + rng.choice([0, 0, -500, 1000])
    rest = alices.coin.amount + said - put_out + mallorys.coin.amount + mine
    own: list[Program] = [payment(MALLORY.puzzle_hash, Mojos(rest))] if rest else []
    if my_units:
        own.append(run_tail(mallorys.token.tail, Program.to(((0, my_units), RECORD))))
    parts = [replace(honest, delta=said), mallorys.spend(quoted(own), mine)]
    if rng.random() < 0.2:
        parts = parts[:1]
    rng.shuffle(parts)
    spends = cat_ring(parts)
    if rng.random() < (0.9 if asks_registry else 0.1):
        to = rng.choice([alices, alices, mallorys]).coin
        message = detokenize_condition(id_of(to), rng.choice([delta, said, -1000]))
        spends.append(world.stage.as_issuer([world.stage.keep_on(), message]))
    if said > 0 or mine > 0:
        spends.append(coin_spend(world.stage.fund(max(said, 0) + max(mine, 0)), ANYONE, Program.to(0)))
    also = sign(cat_ring([replace(honest)]), ALICE)
    return bundle(spends, *ATTACKERS, also=also)


def _one_atom(rng: Random, world: World) -> SpendBundle:
    """An honest bundle in which one atom of one solution is another."""
    stage = world.stage
    spends, also = _honest(rng, world)
    at = rng.randrange(len(spends))
    solution = Program.from_bytes(bytes(spends[at].solution))
    changed = _with_other_atom(
        rng, solution, [ALICE.puzzle_hash, MALLORY.puzzle_hash, THIEF.owners_hash, stage.free.root]
    )
    spends[at] = CoinSpend(spends[at].coin, spends[at].puzzle_reveal, changed.to_serialized())
    return bundle(spends, *ATTACKERS, also=also)


def _honest(rng: Random, world: World) -> tuple[list[CoinSpend], G2Element]:
    """An issue, a retirement or a rotation, and what Alice and the governor signed for it."""
    stage = world.stage
    kind = rng.randrange(3)
    if kind == 0:
        issuing = stage.issuing(block(400, 409))
        world.tokens[bytes(issuing.issues[0].token.asset_id)] = issuing.issues[0].token
        return issuing.spends, NO_SIGNATURE
    if kind == 1:
        made = retiring(world.alices, 10)
        world.signed[bytes(world.alices.coin.name())] = -10_000
        return made.spends, sign(made.spends, ALICE)
    order = stage.as_governor([next_coin_condition(ROTATED.owners_hash)])
    return [order], sign([order], GOVERNOR)


def _with_other_atom(rng: Random, tree: Program, pool: list[bytes]) -> Program:
    """The tree with one atom changed by a bit, a byte or a whole."""
    if tree.pair is not None:
        left, right = (Program(part) for part in tree.pair)
        weight = len(bytes(left)) / (len(bytes(left)) + len(bytes(right)))
        if rng.random() < weight:
            return Program.to((_with_other_atom(rng, left, pool), right))
        return Program.to((left, _with_other_atom(rng, right, pool)))
    atom = tree.atom or b""
    number = tree.as_int() if len(atom) <= 40 else 0
    return Program.to(
        rng.choice([number + 1, number - 1, -number, number + 1000, b"\0" + atom, atom[:-1], [atom], rng.choice(pool)])
    )


# ---- the model


def broken_promise(world: World, what: SpendBundle, took: SpendBundleConditions) -> str | None:
    """The promise that this bundle broke, which the chain took; None if it broke none."""
    made = {
        bytes(spend.coin_id): [(bytes(each[0]), int(each[1])) for each in spend.create_coin] for spend in took.spends
    }
    spends = {bytes(each.coin.name()): each for each in what.coin_spends}
    issued: Counter[bytes] = Counter()
    said: set[tuple[bytes, int]] = set()
    wrong = _registry_breaks(world, spends, made, issued, said)
    return wrong or _tokens_break(world, spends, made, issued, said)


def _registry_breaks(
    world: World,
    spends: dict[bytes, CoinSpend],
    made: dict[bytes, list[tuple[bytes, int]]],
    issued: Counter[bytes],
    said: set[tuple[bytes, int]],
) -> str | None:
    """P1 to P4, by the registry's own coins; notes what they issued and which coins they let detokenize."""
    coin, registry, owners = world.stage.registry.coin, world.stage.registry.registry, world.stage.owners
    free, taken = world.stage.free.copy(), list(world.issued)
    while (spend := spends.get(bytes(coin.name()))) is not None:
        try:
            reading = read_registry_spend(spend)
        except MalformedSpend:
            return "P2: a message that no issue sent"
        odd = [each for each in made[bytes(coin.name())] if each[1] % 2]
        if reading is None or len(odd) != 1:
            return "P3: the registry ended"
        for each in reading.issuances:
            block = each.token.block
            series, first, end = block.first().atom or b"", block.at("rf").atom or b"", block.at("rrf").atom or b""
            numbers = int.from_bytes(first, "big"), int.from_bytes(end, "big")
            if any(series == past[0] and numbers[0] < past[2] and past[1] < numbers[1] for past in taken):
                return "P1: a serial twice"
            if each.amount != 1000 * (numbers[1] - numbers[0]) or each.amount <= 0:
                return "P2: another amount"
            taken.append((series, *numbers))
            issued[bytes(each.token.asset_id)] += each.amount
            try:
                free.replay(start=each.start, end=each.end, before=each.before, path=each.path, place=each.place)
            except MalformedSpend:
                return "P1: serials that were not free"
        for condition in conditions_of(spend):
            if condition.first().as_int() == 66 and condition.at("rf").as_int() == 23:
                said.add((condition.at("rrrf").atom or b"", condition.at("rrf").as_int()))
        owners = ROTATED if reading.ledger.is_governor else owners
        following = singleton_puzzle_hash(registry, ledger_puzzle_hash(registry, free.root, owners.owners_hash))
        if odd[0][0] != following:
            return "P3: other owners, or another tree"
        coin = Coin(coin.name(), bytes32(following), uint64(odd[0][1]))
    return None


def _tokens_break(
    world: World,
    spends: dict[bytes, CoinSpend],
    made: dict[bytes, list[tuple[bytes, int]]],
    issued: Counter[bytes],
    said: set[tuple[bytes, int]],
) -> str | None:
    """P2, P5, P6 and P8, by the token coins that were spent."""
    begun: Counter[bytes] = Counter()
    live = {bytes(each.coin.name()) for each in (world.alices, world.mallorys)}
    for coin_id, spend in spends.items():
        reading = read_cat_spend(spend)
        token = world.tokens.get(bytes(reading.asset_id)) if reading is not None else None
        if reading is None or token is None:
            continue
        asset_id = bytes(token.asset_id)
        if coin_id not in live and bytes(spend.coin.parent_coin_info) not in spends:
            return "P2: a token coin out of nowhere"
        if not reading.parent_is_cat:
            begun[asset_id] += int(spend.coin.amount)
            if reading.delta:
                return "P2: an issuance that adds or burns"
            continue
        if reading.delta > 0:
            return "P8: units out of nothing"
        if reading.delta % 1000:
            return "P5: a fraction of a unit"
        if reading.delta != world.signed.get(coin_id, reading.delta):
            return "P6: not what Alice signed"
        if coin_id == bytes(world.alices.coin.name()) and coin_id not in world.signed:
            return "P5: Alice signed nothing"
        burn = read_token_spend(spend, asset_id=token.asset_id, issuance_hash=token.issuance_hash).burn
        match burn:
            case Retirement() if (bytes(burn.receipt.puzzle_hash), 0) not in made[coin_id]:
                return "P5: no receipt"
            case Detokenization() if (coin_id, burn.delta) not in said:
                return "P8: the registry said nothing of it"
            case None if reading.delta:
                return "P8: burnt in no way"
    if begun != issued:
        return "P2: not one coin for one issue"
    return None


def play(seed: int, count: int, world: World) -> tuple[int, list[str]]:
    """So many bundles: how many the chain took, and what those broke."""
    rng, taken, wrong = Random(seed), 0, []
    for nth in range(count):
        what = hostile_bundle(rng, world)
        if what is None:
            continue
        try:
            took = world.stage.chain.farm(what)
        except Refused:
            continue
        taken += 1
        if (promise := broken_promise(world, what, took)) is not None:
            wrong.append(f"seed {seed}, bundle {nth}: {promise}")
    return taken, wrong
