"""Reading back what the drivers write: every kind of spend, ours, not ours, and ours in a shape nobody writes."""

from __future__ import annotations

import pytest
from chia.types.blockchain_format.program import Program
from chia.wallet.cat_wallet.cat_utils import construct_cat_puzzle
from chia_rs import Coin, CoinSpend
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint64
from hypothesis import given
from hypothesis import strategies as st

from bench import operations
from bench.operations import RECORD, funding_coin, held, owners, person, registry_coin
from puzzles.cat import CAT_MOD, UNSPENDABLE, cat_puzzle_hash, payment, read_cat_spend, run_tail
from puzzles.errors import MalformedSpend, RecordError, SpendRefused
from puzzles.fields import write_fields
from puzzles.free_serials import ROOT_AT_BIRTH, FreeSerials
from puzzles.issuance import IssueRequest, plan_issues
from puzzles.owners import allotment_puzzle, read_allotment
from puzzles.recognise import Detokenization, Retirement, TokenSpend, read_registry_spend, read_token_spend
from puzzles.registry_ledger import Owners, conditions_for_issuer, launch, next_coin_condition, read_launch
from puzzles.retirement import write_record
from puzzles.singleton import LAUNCHER_PUZZLE_HASH, read_singleton_spend
from puzzles.standard import quoted_solution
from puzzles.unit_block_tail import detokenize_solution, read_block, retire_solution
from puzzles.units import AssetId, CoinId, Mojos, PuzzleHash, UnitBlock


def read(spend: CoinSpend) -> TokenSpend:
    token = held().planned.token
    return read_token_spend(spend, asset_id=token.asset_id, issuance_hash=token.issuance_hash)


# ---- the registry


def test_reader_recognises_a_launch() -> None:
    spends = operations.launch_registry().coin_spends
    reading = read_launch(spends[1])
    assert reading is not None
    assert reading.name == b"Kingdom of Bhutan"
    assert reading.owners_hash == owners().owners_hash
    assert reading.first_coin.parent_coin_info == spends[1].coin.name()
    assert read_launch(spends[0]) is None


def test_reader_takes_no_launch_whose_child_is_another_puzzle() -> None:
    planned = launch(CoinId(bytes(funding_coin().name())), owners(), "Kingdom of Bhutan")
    items = list(Program.from_bytes(bytes(planned.spend.solution)).as_iter())
    for child in (bytes(32), bytes(planned.spend.coin.puzzle_hash), b"short"):
        forged = Program.to([child, items[1], items[2]]).to_serialized()
        assert read_launch(CoinSpend(planned.spend.coin, planned.spend.puzzle_reveal, forged)) is None
    other = Program.to([items[0], items[1], [("name", "x"), ("owners", bytes(32))]]).to_serialized()
    assert read_launch(CoinSpend(planned.spend.coin, planned.spend.puzzle_reveal, other)) is None


def test_reader_recognises_every_issue_of_a_bundle() -> None:
    spend = operations.issue(3).coin_spends[0]
    reading = read_registry_spend(spend)
    assert reading is not None
    assert [issue.token.reading.block for issue in reading.issuances] == [
        UnitBlock(series="BT-CDM2746-2018", first=1000 * n + 1, last=1000 * n + 1000) for n in range(3)
    ]
    assert all(issue.amount == 1_000_000 for issue in reading.issuances)
    assert reading.issuances[0].token.reading.metadata.text("vintage") == "2018"
    tree = FreeSerials()
    for issue in reading.issuances:
        tree.replay(start=issue.start, end=issue.end, before=issue.before, path=issue.path, place=issue.place)
    assert reading.next_coin == registry_coin().child(tree.root, owners()).coin
    assert (reading.statements, reading.next_owners_hash) == ((), owners().owners_hash)
    assert not reading.ledger.is_governor


def test_reader_recognises_a_statement_and_a_rotation() -> None:
    statement = read_registry_spend(operations.state().coin_spends[0])
    assert statement is not None
    assert [fields.text("kind") for fields in statement.statements] == ["authorization"]
    rotation = read_registry_spend(operations.rotate().coin_spends[0])
    assert rotation is not None
    assert rotation.ledger.is_governor
    assert rotation.next_owners_hash != owners().owners_hash


def test_reader_takes_no_other_coin_for_a_registry() -> None:
    for spend in operations.issue(1).coin_spends[1:]:
        assert read_registry_spend(spend) is None
        assert read_singleton_spend(spend) is None


def test_reader_follows_a_registry_whose_owner_writes_odd_lists() -> None:
    """Consensus does not mind an improper end of a condition or of a solution; neither may the reader."""
    registry = registry_coin()
    odd = Program.to((51, (registry.owners.owners_hash, (1, 7))))
    spend = registry.spend_as_issuer(quoted_solution([odd, Program.to((1, 5)), Program.to([1])]))
    reading = read_registry_spend(spend)
    assert reading is not None
    assert reading.next_coin == registry.child(ROOT_AT_BIRTH, registry.owners).coin
    assert [fields.is_canonical for fields in reading.statements] == [False, True]


def test_reader_follows_an_issue_whose_unneeded_parts_are_odd() -> None:
    """The ledger looks at no place where there is one rest or none, and takes an inner puzzle hash as it comes."""
    tree = FreeSerials()
    tree.take(UnitBlock(series="A", first=1, last=9))
    registry = registry_coin().child(tree.root, owners())
    metadata, receiver = write_fields([("vintage", "2018")]), person("holder").puzzle_hash
    whole = IssueRequest(block=UnitBlock(series="A", first=10, last=19), metadata=metadata, receiver=receiver)
    planned = plan_issues(registry, tree, [whole]).issues[0]
    items = list(planned.condition.as_iter())[:7]
    odd_place, odd_inner = Program.to(((1, 2), 3)), Program.to((b"no", b"hash"))
    for place, inner in ((odd_place, items[6]), (items[5], odd_inner), (items[5], Program.to(b"short"))):
        tail = Program.to((place, (inner, planned.token.block)))
        condition = Program.to((items[0], (items[1], (items[2], (items[3], (items[4], tail))))))
        next_coin = next_coin_condition(registry.owners.owners_hash)
        reading = read_registry_spend(registry.spend_as_issuer(quoted_solution([condition, next_coin])))
        assert reading is not None
        assert reading.issuances[0].token.reading.block == whole.block
        assert reading.issuances[0].place is None
        assert (reading.issuances[0].eve_puzzle_hash == planned.eve_puzzle_hash) == (inner == items[6])


def test_one_puzzle_in_both_roles_is_refused() -> None:
    issuer = person("issuer")
    with pytest.raises(RecordError, match="key of its own"):
        Owners(issuer_puzzle=issuer.puzzle, governor_puzzle_hash=issuer.puzzle_hash)


def test_ledger_runs_an_issuer_inside_its_allotment_and_not_outside() -> None:
    allotted = [UnitBlock(series="A", first=1, last=100), UnitBlock(series="B", first=5, last=9)]
    puzzle = allotment_puzzle(allotted, person("issuer").puzzle)
    assert read_allotment(puzzle) == (person("issuer").puzzle, [(b"A", 1, 101), (b"B", 5, 10)])
    assert read_allotment(person("issuer").puzzle) is None
    registry = registry_coin()
    cases = {("A", 1, 100): True, ("B", 6, 9): True, ("A", 0, 5): False, ("A", 100, 101): False, ("C", 1, 2): False}
    for (series, first, last), is_inside in cases.items():
        request = IssueRequest(
            block=UnitBlock(series=series, first=first, last=last), metadata=write_fields([]), receiver=UNSPENDABLE
        )
        issues = [issue.condition for issue in plan_issues(registry, FreeSerials(), [request]).issues]
        solution = quoted_solution(conditions_for_issuer(issues, registry.owners))
        if is_inside:
            puzzle.run(solution)
        else:
            with pytest.raises(ValueError, match=r"clvm raise|path into atom"):
                puzzle.run(solution)


# ---- tokens


def test_reader_recognises_a_transfer() -> None:
    reading = read(operations.send().coin_spends[0])
    assert reading.burn is None
    assert reading.holder == person("holder").puzzle_hash
    assert [(child.inner_puzzle_hash, child.coin.amount) for child in reading.children] == [
        (person("buyer").puzzle_hash, 100_000),
        (person("holder").puzzle_hash, 900_000),
    ]


def test_reader_recognises_a_retirement_and_its_receipt() -> None:
    bundle = operations.retire(60)
    reading = read(bundle.coin_spends[0])
    assert isinstance(reading.burn, Retirement)
    assert (reading.burn.delta, reading.burn.record) == (-60_000, write_record(RECORD))
    assert reading.burn.receipt == bundle.coin_spends[1].coin
    assert [child.coin.amount for child in reading.children] == [940_000]


def test_reader_recognises_a_detokenization() -> None:
    reading = read(operations.detokenize(60).coin_spends[1])
    assert reading.burn == Detokenization(delta=-60_000)


def test_reader_takes_the_last_tail_condition_as_the_cat_does() -> None:
    own, record = held(), write_record(RECORD)
    tail = own.planned.token.tail
    detokenize = run_tail(tail, detokenize_solution(own.planned.token, registry_coin().inner_puzzle_hash, 60))
    conditions = [detokenize, payment(UNSPENDABLE, Mojos(940_000)), run_tail(tail, retire_solution(60, record))]
    reading = read(own.spend(conditions, -60_000)[0])
    assert isinstance(reading.burn, Retirement)
    assert reading.burn.record == record


def test_reader_calls_a_burn_with_a_false_program_a_retirement_as_the_tail_does() -> None:
    own = held()
    solution = Program.to(((b"no program", 60), b"record"))
    conditions = [run_tail(own.planned.token.tail, solution), payment(UNSPENDABLE, Mojos(940_000))]
    reading = read(own.spend(conditions, -60_000)[0])
    assert isinstance(reading.burn, Retirement)


def test_reader_follows_a_coin_sent_to_a_hash_of_another_length() -> None:
    own = held()
    reading = read(own.spend([payment(PuzzleHash(b"x" * 31), Mojos(own.coin.amount))])[0])
    (child,) = reading.children
    assert child.inner_puzzle_hash == UNSPENDABLE
    assert bytes(child.coin.puzzle_hash) == cat_puzzle_hash(own.planned.token.asset_id, b"x" * 31)


def test_reader_takes_no_coin_of_another_token() -> None:
    spend = operations.send().coin_spends[0]
    with pytest.raises(MalformedSpend, match="not a coin of the token"):
        read_token_spend(spend, asset_id=AssetId(bytes(32)), issuance_hash=bytes(32))


def test_reader_takes_no_cat_with_a_false_mod_hash_inside() -> None:
    """chia's own matcher accepts it; every puzzle hash it then makes is of another, escaped puzzle."""
    token, inner = held().planned.token, person("holder").puzzle
    fake = CAT_MOD.curry(bytes32(b"f" * 32), token.asset_id, inner)
    coin = Coin(bytes32(bytes(32)), fake.get_tree_hash(), uint64(1000))
    spend = CoinSpend(coin, fake.to_serialized(), Program.to([0, 0, 0, 0, 0, 0, 0]).to_serialized())
    assert read_cat_spend(spend) is None


@given(asset=st.binary(min_size=32, max_size=32), inner=st.integers(0, 5))
def test_cat_puzzle_hash_is_chias_own(asset: bytes, inner: int) -> None:
    program = Program.to((inner, [inner]))
    expected = construct_cat_puzzle(CAT_MOD, bytes32(asset), program).get_tree_hash()
    assert cat_puzzle_hash(AssetId(asset), bytes(program.get_tree_hash())) == bytes(expected)


@pytest.mark.parametrize("units", [0, -1])
def test_builder_refuses_to_burn_no_units(units: int) -> None:
    with pytest.raises(SpendRefused, match="at least 1"):
        retire_solution(units, Program.to(0))
    with pytest.raises(SpendRefused, match="at least 1"):
        detokenize_solution(held().planned.token, PuzzleHash(bytes(32)), units)


@pytest.mark.parametrize("tree", [b"", [b"A"], [b"A", bytes(8)], [b"A", bytes(8), bytes(8)], [b"A", b"1", b"2"]])
def test_reader_stops_at_a_block_that_no_ledger_lets_through(tree: object) -> None:
    with pytest.raises(MalformedSpend):
        read_block(Program.to(tree))


def test_reader_flags_a_series_outside_the_canonical_form() -> None:
    one, two = (n.to_bytes(8, "big") for n in (1, 2))
    for series in (b"bt-1", b"BT-1 ", b"\xff", b"A" * 65, b""):
        reading = read_block(Program.to((series, (one, (two, 0)))))
        assert reading.block is None
        assert reading.series == series


def test_launcher_hash_is_the_standard_one() -> None:
    assert operations.launch_registry().coin_spends[1].coin.puzzle_hash == LAUNCHER_PUZZLE_HASH
