"""What `climate-wallet doctor` looks at: the node, the keychain, the store and its balance, and the daemon.

Nothing is changed and nobody is asked for a passphrase.
"""

from __future__ import annotations

import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from chia.util.default_root import DEFAULT_KEYS_ROOT_PATH
from chia.util.file_keyring import keyring_path_from_root

from chain.database import open_database
from chain.doctor.door import check_door
from chain.doctor.findings import Found, Verdict, examine, failed, off_loop, ok, unknown, warning
from chain.doctor.node import check_node, node_settings_for_doctor, present_fee
from chain.doctor.store import check_store, is_current
from chain.errors import ChainError
from chain.fees import FeeSettings
from chain.node import connect
from chain.settings import NodeSettings
from climate_wallet.amounts import show_xch
from climate_wallet.book import KEPT_ELSEWHERE, bound_key
from climate_wallet.coins import Amounts, amounts
from climate_wallet.errors import WalletError
from climate_wallet.keys import KeyStore
from climate_wallet.settings import WalletSettings
from climate_wallet.spends import NOTHING
from climate_wallet.stock.doctor import check_official
from climate_wallet.stock.settings import SignerSettings
from climate_wallet.store import MIGRATIONS
from puzzles.units import Mojos

TYPICAL_COST = 60_000_000
"""CLVM cost of retiring units with a fee, rounded up."""

FEW_OPERATIONS = 10
"""Below so many operations at the present fee it is time to send XCH."""

CREATE_KEY = "create one with `keys create`, or `keys restore` it"


@dataclass(frozen=True, kw_only=True)
class Wiring:
    """The settings of every part."""

    wallet: WalletSettings
    node: NodeSettings
    fees: FeeSettings
    signer: SignerSettings = field(default_factory=SignerSettings)
    keys_root: Path | None = None
    """Directory of the keychain; None: CHIA_KEYS_ROOT, else Chia's own place."""


async def examine_wallet(wiring: Wiring) -> list[Found]:
    """Every finding, in the order in which one would mend things."""
    node = node_settings_for_doctor(wiring.node)
    known = (ChainError, WalletError)
    return await examine(
        [
            ("node", lambda: check_node(node, wiring.fees, typical_cost=TYPICAL_COST)),
            ("key", lambda: _signer(wiring)),
            ("database", lambda: _store_and_balance(wiring, node)),
            ("daemon", lambda: off_loop(lambda: _door(wiring.wallet))),
        ],
        known=known,
    )


async def _signer(wiring: Wiring) -> list[Found]:
    """The keychain, or the official wallet: whichever signs."""
    if wiring.signer.kind == "chia":
        return await check_official(wiring.signer, wiring.node, wiring.wallet.fingerprint)
    return await off_loop(lambda: check_keys(wiring.keys_root, wiring.wallet.fingerprint))


def _door(settings: WalletSettings) -> list[Found]:
    return check_door(settings.door, settings.url, "climate-wallet")


# --- the keychain


def check_keys(keys_root: Path | None, fingerprint: int | None) -> list[Found]:
    """The keychain and the key that is meant; call it off the event loop. Raises KeyringError."""
    root = DEFAULT_KEYS_ROOT_PATH if keys_root is None else keys_root
    file = keyring_path_from_root(root)
    if not file.exists():
        return [failed("keychain", f"there is none in {root}", f"set CHIA_KEYS_ROOT, or {CREATE_KEY}")]
    found = []
    if stat.S_IMODE(file.stat().st_mode) & 0o077:
        found.append(warning("keychain", f"{file} can be read by other users", f"run chmod 600 {file}"))
    store = KeyStore(root)
    try:
        if store.is_locked:
            asked = "the wallet needs `climate-wallet unlock`, the engine asks at each command"
            locked = warning("key", "the keychain is locked by its passphrase: which keys it holds is not known", asked)
            return [*found, ok("keychain", str(file)), locked]
        return [*found, ok("keychain", str(file)), _key(store, fingerprint)]
    finally:
        store.close()


def _key(store: KeyStore, fingerprint: int | None) -> Found:
    """Whether the key that is meant can sign."""
    signing = {key.fingerprint for key in store.list()}
    watching = {key.fingerprint for key in store.observed()}
    if fingerprint is None and len(signing) == 1:
        return ok("key", f"{signing.pop()}, the only one that can sign")
    if fingerprint is None and not signing and watching:
        names = ", ".join(map(str, sorted(watching)))
        return failed("key", f"only the public part of {names} is here", "restore the words of the key that shall sign")
    if fingerprint is None and not signing:
        return failed("key", "the keychain holds no key", CREATE_KEY)
    if fingerprint is None:
        names = ", ".join(map(str, sorted(signing)))
        return failed("key", f"the keychain holds {len(signing)} keys ({names})", "choose one with --fingerprint")
    if fingerprint in signing:
        return ok("key", f"{fingerprint}")
    if fingerprint in watching:
        only = f"only the public part of {fingerprint} is here: it watches and cannot sign"
        return failed("key", only, "restore its words with `keys restore`")
    return failed(
        "key", f"the keychain does not hold {fingerprint}", "restore its words, or choose another fingerprint"
    )


# --- the store and what it holds


async def _store_and_balance(wiring: Wiring, node: NodeSettings) -> list[Found]:
    found = await check_store(wiring.wallet.database_url, MIGRATIONS)
    if not is_current(found):
        return [*found, unknown("balance", "bring the database up to date first: start the wallet")]
    engine = open_database(wiring.wallet.database_url, MIGRATIONS)
    try:
        key = bound_key(engine)
        if key is None:
            return [*found, unknown("balance", "start the wallet and unlock it once, so that it knows its key")]
        wanted = wiring.wallet.fingerprint
        if wanted not in {None, key.fingerprint}:
            other = f"this store belongs to the key {key.fingerprint}, not to {wanted}"
            return [*found, failed("wallet", other, "use another --home for another key")]
        if key.network != wiring.node.network:
            other = f"this store is of {key.network}, the settings say {wiring.node.network}"
            return [*found, failed("wallet", other, "use another --home for another network")]
        if key.public_key == KEPT_ELSEWHERE:
            return [*found, ok("wallet", f"of the official wallet's key {key.fingerprint}")]
        held = amounts(engine).get(None, Amounts()).spendable
    finally:
        engine.dispose()
    async with connect(node) as asked:
        fee = await present_fee(asked, wiring.fees, TYPICAL_COST)
    return [*found, ok("wallet", f"of the key {key.fingerprint}"), balance(held, fee, "retirements or transfers")]


def balance(held: Mojos, fee: Mojos, operations: str, *, each: Mojos = NOTHING) -> Found:
    """How many operations the mojos are enough for, at this fee and with `each` more mojos for one of them."""
    price = fee + each
    if price == 0:
        return ok("balance", f"{show_xch(held)}; nothing asks for a fee now")
    count = held // price
    shown = f"{show_xch(held)}, enough for {count} {operations} at the present fee of {fee} mojos"
    if count == 0:
        return failed("balance", shown, "send XCH to the address that `address` shows")
    if count < FEW_OPERATIONS:
        return warning("balance", shown, "send XCH to the address that `address` shows")
    return ok("balance", shown)


def has_failed(found: Sequence[Found]) -> bool:
    """Whether one of the checks failed."""
    return any(each.verdict is Verdict.FAILED for each in found)
