from __future__ import annotations

from puzzles.units import LauncherId, Mojos
from sim.local_chain import LocalChain
from tests.engine.register.samples import imported, unit
from tokenization_engine import tokenize, work
from tokenization_engine.desk import Desk
from tokenization_engine.journal import State
from tokenization_engine.register.queries import UnitFilter, list_units

NO_FEE = Mojos(0)


async def test_admin_tokenizes_a_batch_in_one_transaction(desk: Desk, founded: LauncherId, chain: LocalChain) -> None:
    with desk.register.writing("admin") as session:
        imported(session, unit(1, 100), unit(101, 250), unit(300, 300))
    planned = await tokenize.plan(desk, [], UnitFilter(), desk.keys.own.puzzle_hash, fee=NO_FEE)
    (job,) = tokenize.start(desk, planned)
    await work.run(desk, [job.id], wait=False)
    await chain.farm(2)
    (done,) = await work.run(desk, [job.id], wait=False)
    assert done.state == State.REGISTERED
    with desk.register.reading() as session:
        units = list_units(session).units
    assert [each.marketplace_identifier for each in units] == [f"0x{issue.asset_id.hex()}" for issue in done.issues]
    assert all(each.is_tokenized for each in units)
