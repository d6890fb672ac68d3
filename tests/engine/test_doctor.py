"""`tokenization-engine doctor`: key, register, registry, jobs and balance; each broken state has its finding."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from chain.doctor.findings import Found, Verdict
from climate_wallet.keys import KeyStore
from puzzles.units import LauncherId, Mojos
from sim.local_chain import LocalChain
from tests.chain.test_doctor import free_port
from tests.engine.people import COLD_KEYS, HOT_KEYS
from tokenization_engine import statements, work
from tokenization_engine.app import Wiring
from tokenization_engine.desk import Desk
from tokenization_engine.doctor import examine_engine
from tokenization_engine.errors import WaitedTooLong


async def looked(wiring: Wiring) -> dict[str, Found]:
    wiring = replace(wiring, engine=wiring.engine.model_copy(update={"port": free_port()}))
    return {each.check: each for each in await examine_engine(wiring)}


async def test_engine_in_order_is_found_well(wiring: Wiring, keys_root: Path, desk: Desk, founded: LauncherId) -> None:
    found = await looked(wiring)
    assert {each.verdict for each in found.values()} == {Verdict.OK}, found
    assert founded.hex() in found["registry"].found
    assert found["jobs"].found == "none under way"
    assert "enough for" in found["balance"].found


async def test_new_engine_is_told_what_to_do_first(wiring: Wiring, keys_root: Path, desk: Desk) -> None:
    found = await looked(wiring)
    assert (found["registry"].verdict, found["registry"].advice) == (
        Verdict.WARNING,
        "`registry create NAME`, or `registry open ID`, or --database if its database is another than "
        f"{make_url(wiring.engine.database)}",
    )


async def test_register_that_is_not_there_is_not_made(wiring: Wiring, keys_root: Path, tmp_path: Path) -> None:
    engine = wiring.engine.model_copy(update={"database": f"sqlite:///{tmp_path}/register.sqlite"})
    found = await looked(replace(wiring, engine=engine))
    assert found["registry"].advice == "bring the register up to date first: any command does"
    assert not os.path.exists(tmp_path / "register.sqlite")  # noqa: ASYNC240


async def test_register_of_an_older_engine_is_left_as_it_is(wiring: Wiring, keys_root: Path, desk: Desk) -> None:
    with desk.register.engine.begin() as connection:
        connection.execute(text("UPDATE tokenization_engine_schema SET version_num = '0001_register'"))
    found = await looked(wiring)
    assert found["database schema"].verdict is Verdict.WARNING
    with desk.register.engine.begin() as connection:
        assert (
            connection.execute(text("SELECT version_num FROM tokenization_engine_schema")).scalar() == "0001_register"
        )


async def test_engine_with_another_key_is_not_the_issuer(
    wiring: Wiring, keys_root: Path, desk: Desk, founded: LauncherId
) -> None:
    other = wiring.engine.model_copy(update={"fingerprint": COLD_KEYS.info.fingerprint})
    found = await looked(replace(wiring, engine=other))
    assert found["registry"].verdict is Verdict.FAILED
    assert "is not the issuer's" in found["registry"].found
    assert found["balance"].verdict is Verdict.FAILED


async def test_locked_keychain_is_told_and_nobody_is_asked(
    wiring: Wiring, keys_root: Path, desk: Desk, founded: LauncherId, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = KeyStore(keys_root)
    store.set_passphrase("correct horse battery")
    store.close()

    def asked() -> str:
        raise AssertionError("somebody was asked")

    found = await looked(replace(wiring, ask_passphrase=asked))
    assert found["key"].verdict is Verdict.WARNING
    assert found["registry"].advice == found["balance"].advice == "mend or unlock the keychain first"


async def test_job_that_waits_is_told_with_its_reason(
    wiring: Wiring, keys_root: Path, desk: Desk, founded: LauncherId, chain: LocalChain
) -> None:
    statements.take_on(desk, founded, "notice", {"message": "hello"}, Mojos(1))
    await work.run(desk, wait=False)
    assert (await looked(wiring))["jobs"].found == "1 under way"
    with desk.register.engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET reason = 'the mempool is full' WHERE state = 'pushed'"))
    found = (await looked(wiring))["jobs"]
    assert found.verdict is Verdict.WARNING
    assert "the mempool is full" in found.found
    assert "raise-fee" in found.advice
    desk.settings = desk.settings.model_copy(update={"wait_seconds": 0.02})
    with pytest.raises(WaitedTooLong, match="the mempool is full"):
        await work.run(desk, wait=True)


async def test_node_that_is_down_does_not_hide_the_rest(
    wiring: Wiring, keys_root: Path, desk: Desk, founded: LauncherId
) -> None:
    down = wiring.node.model_copy(update={"url": "http://127.0.0.1:9"})
    found = await looked(replace(wiring, node=down))
    assert found["connection"].verdict is Verdict.FAILED
    assert found["key"].verdict is found["database"].verdict is found["jobs"].verdict is Verdict.OK
    assert str(HOT_KEYS.info.fingerprint) in found["key"].found
