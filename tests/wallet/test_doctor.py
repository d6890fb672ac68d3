"""`climate-wallet doctor`: the keychain, the store, the balance; each broken state has its finding."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest
from chia.util.keychain import Keychain
from click.testing import CliRunner
from sqlalchemy import update

from chain.database import open_database, writing
from chain.doctor.findings import Found, Verdict
from chain.doctor.telling import FAILED_EXIT
from chain.door import make_home
from chain.fees import FeeSettings
from chain.settings import NodeSettings, load_settings
from climate_wallet import doctor as wallet_doctor
from climate_wallet.cli import main
from climate_wallet.doctor import Wiring, balance, check_keys, examine_wallet
from climate_wallet.keys import KeyStore
from climate_wallet.settings import WalletSettings
from climate_wallet.store import MIGRATIONS, WalletRow
from puzzles.units import Mojos
from tests.chain.test_doctor import free_port
from tests.engine.people import COLD_WORDS, HOT_KEYS, HOT_WORDS
from tests.wallet.world import XCH, Person, World, wallet_of

PASSPHRASE = "correct horse battery"
HOT = HOT_KEYS.info.fingerprint


def by_name(found: list[Found]) -> dict[str, Found]:
    return {each.check: each for each in found}


@pytest.fixture
def keychain(tmp_path: Path) -> Path:
    """A keychain with one key."""
    store = KeyStore(tmp_path / "keys")
    store.restore(HOT_WORDS, "hot")
    store.close()
    return tmp_path / "keys"


def test_keychain_that_is_not_there_is_told_and_not_made(tmp_path: Path) -> None:
    (found,) = check_keys(tmp_path / "keys", None)
    assert found.verdict is Verdict.FAILED
    assert "keys create" in found.advice
    assert not (tmp_path / "keys").exists()


def test_one_key_is_found_well_and_nothing_secret_is_told(keychain: Path) -> None:
    found = by_name(check_keys(keychain, None))
    assert {each.verdict for each in found.values()} == {Verdict.OK}
    assert str(HOT) in found["key"].found
    assert not any(word in str(found).split() for word in set(HOT_WORDS.split()))


def test_several_keys_need_a_choice(keychain: Path) -> None:
    store = KeyStore(keychain)
    store.restore(COLD_WORDS, "cold")
    store.close()
    assert by_name(check_keys(keychain, None))["key"].advice == "choose one with --fingerprint"
    assert by_name(check_keys(keychain, HOT))["key"].verdict is Verdict.OK
    missing = by_name(check_keys(keychain, 12345))["key"]
    assert (missing.verdict, missing.found) == (Verdict.FAILED, "the keychain does not hold 12345")


def test_public_part_alone_cannot_sign(tmp_path: Path) -> None:
    store = KeyStore(tmp_path / "keys")
    Keychain().add_key(HOT_KEYS.info.public_key.hex(), None, private=False)
    store.close()
    for fingerprint in (None, HOT):
        found = by_name(check_keys(tmp_path / "keys", fingerprint))["key"]
        assert found.verdict is Verdict.FAILED
        assert "only the public part" in found.found


def test_locked_keychain_is_a_warning_and_asks_nobody(keychain: Path) -> None:
    store = KeyStore(keychain)
    store.set_passphrase(PASSPHRASE)
    store.close()
    found = by_name(check_keys(keychain, HOT))["key"]
    assert found.verdict is Verdict.WARNING
    assert "locked by its passphrase" in found.found
    assert PASSPHRASE not in str(found)


def test_keychain_that_others_can_read_or_that_is_broken_is_told(keychain: Path) -> None:
    file = keychain / "keyring.yaml"
    file.chmod(0o644)
    assert check_keys(keychain, HOT)[0].advice == f"run chmod 600 {file}"


@pytest.mark.parametrize(
    ("held", "fee", "each", "verdict"),
    [
        (0, 0, 0, Verdict.OK),
        (0, 5, 0, Verdict.FAILED),
        (0, 0, 5, Verdict.FAILED),
        (49, 5, 0, Verdict.WARNING),
        (50, 5, 0, Verdict.OK),
    ],
)
def test_balance_is_told_in_operations(held: int, fee: int, each: int, verdict: Verdict) -> None:
    assert balance(Mojos(held), Mojos(fee), "operations", each=Mojos(each)).verdict is verdict


def wiring(world: World, keychain: Path, home: Path, fingerprint: int | None = None) -> Wiring:
    return Wiring(
        wallet=load_settings(WalletSettings, home=home, port=free_port(), fingerprint=fingerprint),
        node=NodeSettings(url=world.url),
        fees=FeeSettings(),
        keys_root=keychain,
    )


async def funded_store(world: World, home: Path) -> None:
    """The store of a wallet that holds one XCH."""
    make_home(home)
    await world.fund(Person("wallet").puzzle_hash, XCH)
    wallet = wallet_of("wallet", world.node, home)
    await wallet.catch_up()
    wallet.engine.dispose()


async def test_wallet_in_order_is_found_well(
    world: World, keychain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await funded_store(world, tmp_path / "home")

    async def fee(*_: object) -> Mojos:
        return Mojos(10**11)

    monkeypatch.setattr(wallet_doctor, "present_fee", fee)
    found = by_name(await examine_wallet(wiring(world, keychain, tmp_path / "home")))
    assert Verdict.FAILED not in {each.verdict for each in found.values()}, found
    assert found["database schema"].verdict is Verdict.OK
    assert found["balance"].found.startswith("1 XCH, enough for 10 ")
    assert found["daemon"].found.startswith("does not run")


async def test_store_of_another_key_or_network_is_told(world: World, keychain: Path, tmp_path: Path) -> None:
    await funded_store(world, tmp_path / "home")
    found = by_name(await examine_wallet(wiring(world, keychain, tmp_path / "home", fingerprint=HOT)))
    assert "this store belongs to the key" in found["wallet"].found
    engine = open_database(f"sqlite:///{tmp_path}/home/wallet.sqlite", MIGRATIONS)
    with writing(engine) as session:
        session.execute(update(WalletRow).values(network="mainnet"))
    engine.dispose()
    found = by_name(await examine_wallet(wiring(world, keychain, tmp_path / "home")))
    assert "this store is of mainnet" in found["wallet"].found


async def test_command_tells_in_words_and_json_and_by_its_exit_code(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {
        **os.environ,
        "CARBON_WALLET_HOME": str(tmp_path / "home"),
        "CARBON_WALLET_PORT": str(free_port()),
        "CARBON_NODE_URL": world.url,
        "CARBON_NETWORK": "simulator0",
    }
    monkeypatch.setattr(wallet_doctor, "DEFAULT_KEYS_ROOT_PATH", tmp_path / "nowhere")
    runner = CliRunner(env=environment)
    said = await asyncio.to_thread(runner.invoke, main, ["doctor"])
    assert said.exit_code == FAILED_EXIT
    assert "failed" in said.stdout
    told = json.loads((await asyncio.to_thread(runner.invoke, main, ["doctor", "--json"])).stdout)
    assert (told["program"], told["verdict"]) == ("climate-wallet", "failed")
    assert {"check", "verdict", "found", "advice"} == set(told["checks"][0])
