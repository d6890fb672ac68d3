"""The addresses this wallet watches, in the store and at hand: a window of unused ones stays open beyond the
last used.

A wallet restored from words finds its coins again only inside that window, so it is as wide as the official
wallet's.
"""

from __future__ import annotations

from collections.abc import Iterable

from chia_rs import G1Element
from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from chain.database import reading, writing
from chain.network import Network
from climate_wallet.addresses import Address, PrivateKeys, watch_addresses
from climate_wallet.errors import WalletMismatch
from climate_wallet.keys import KeyInfo
from climate_wallet.store import AddressRow, WalletRow
from puzzles.cat import cat_puzzle_hash
from puzzles.units import AssetId, PuzzleHash

KEPT_ELSEWHERE = b""
"""The public key of a store whose key the official wallet keeps: it does not tell, and we need not know."""

GAP_LIMIT = 50
"""Unused addresses watched beyond the last used one, of each kind."""


class AddressBook:
    """The addresses of one key, bound to one store; use `open_book`."""

    def __init__(self, engine: Engine, wallet: WalletRow, gap_limit: int) -> None:
        """Load what the store has; two unused addresses at least stay open."""
        assert gap_limit >= 2, "a payment to ourselves needs another address for its change"
        self.engine = engine
        self.fingerprint = wallet.fingerprint
        self.is_hardened = wallet.is_hardened
        self.gap_limit = gap_limit
        self._master = G1Element.from_bytes(wallet.public_key)
        self._by_hash: dict[PuzzleHash, Address] = {}
        self._cat_hashes: dict[AssetId, dict[PuzzleHash, PuzzleHash]] = {}
        self._load()

    def _load(self) -> None:
        with reading(self.engine) as session:
            rows = session.scalars(select(AddressRow).order_by(AddressRow.is_hardened, AddressRow.index)).all()
            self._by_hash = {PuzzleHash(row.puzzle_hash): _address(row) for row in rows}
        self._cat_hashes.clear()

    def __len__(self) -> int:
        """How many addresses are watched."""
        return len(self._by_hash)

    def find(self, puzzle_hash: PuzzleHash) -> Address | None:
        """The address of that p2 puzzle hash if it is ours."""
        return self._by_hash.get(puzzle_hash)

    def all(self) -> list[Address]:
        """Every address, unhardened ones first, by index."""
        return list(self._by_hash.values())

    def token_hashes(self, asset_id: AssetId) -> dict[PuzzleHash, PuzzleHash]:
        """Full puzzle hash of that token around each of our addresses, with the address's own puzzle hash."""
        if asset_id not in self._cat_hashes:
            self._cat_hashes[asset_id] = {cat_puzzle_hash(asset_id, p2): p2 for p2 in self._by_hash}
        return self._cat_hashes[asset_id]

    def owner_of(self, asset_id: AssetId, puzzle_hash: PuzzleHash) -> PuzzleHash | None:
        """Our address inside a token's full puzzle hash, or None. Keeps nothing: strangers make asset ids at
        will.
        """
        known = self._cat_hashes.get(asset_id)
        if known is not None:
            return known.get(puzzle_hash)
        return next((p2 for p2 in self._by_hash if cat_puzzle_hash(asset_id, p2) == puzzle_hash), None)

    def current(self, *, besides: PuzzleHash | None = None) -> Address:
        """The first unhardened address that no coin was seen at: the one to give out, and to send change to.

        With `besides` it is never that one: a payment and its change of one amount would be the same coin
        twice.
        """
        with reading(self.engine) as session:
            rows = session.scalars(
                select(AddressRow)
                .where(AddressRow.is_hardened.is_(False), AddressRow.is_used.is_(False))
                .order_by(AddressRow.index)
                .limit(2)
            ).all()
            return next(_address(row) for row in rows if row.puzzle_hash != besides)

    def extend(self, keys: PrivateKeys | None = None) -> int:
        """Open the window beyond the last used address of each kind; the number of addresses added.

        Hardened addresses need the private keys: without them that window waits for the next unlock.
        """
        with writing(self.engine) as session:
            added = self._extend_kind(session, is_hardened=False, keys=keys)
            if self.is_hardened and keys is not None:
                added += self._extend_kind(session, is_hardened=True, keys=keys)
        if added:
            self._load()
        return added

    def _extend_kind(self, session: Session, *, is_hardened: bool, keys: PrivateKeys | None) -> int:
        rows = session.scalars(select(AddressRow).where(AddressRow.is_hardened.is_(is_hardened))).all()
        known = {row.index for row in rows}
        last_used = max((row.index for row in rows if row.is_used), default=-1)
        missing = [index for index in range(last_used + 1 + self.gap_limit) if index not in known]
        if is_hardened:
            assert keys is not None, "hardened addresses are derived with the keys at hand"
            made = keys.hardened(missing)
        else:
            made = watch_addresses(self._master, missing)
        session.add_all(_row(address) for address in made)
        return len(made)


def mark_used(session: Session, puzzle_hashes: Iterable[PuzzleHash]) -> None:
    """Remember that coins were seen at these addresses."""
    hashes = list(puzzle_hashes)
    if hashes:
        session.execute(update(AddressRow).where(AddressRow.puzzle_hash.in_(hashes)).values(is_used=True))


def bound_key(engine: Engine) -> WalletRow | None:
    """The key this store belongs to, or None if it is new."""
    with reading(engine) as session:
        row = session.get(WalletRow, 1)
        if row is not None:
            session.expunge(row)
        return row


def open_book(
    engine: Engine,
    network: Network,
    *,
    key: KeyInfo | None = None,
    is_hardened: bool = False,
    gap_limit: int = GAP_LIMIT,
) -> AddressBook:
    """The store's address book; a new store is bound to `key` first.

    Raises WalletMismatch if the store belongs to another key or network, or is new and no key is given.
    """
    wallet = bound_key(engine)
    if wallet is None:
        if key is None:
            raise WalletMismatch("this wallet is new: unlock it once so that it knows which key it belongs to")
        _bind(engine, network, key.fingerprint, key.public_key, is_hardened=is_hardened)
        wallet = bound_key(engine)
        assert wallet is not None
    _check_binding(wallet, network, key)
    if is_hardened and not wallet.is_hardened:
        with writing(engine) as session:
            session.execute(update(WalletRow).values(is_hardened=True))
        wallet.is_hardened = True
    return AddressBook(engine, wallet, gap_limit)


def bound_elsewhere(engine: Engine, network: Network, fingerprint: int | None) -> int | None:
    """The official wallet's key that the store belongs to, or None if the store is new.

    Raises WalletMismatch if it belongs to another key than this one, to keys of ours, or to another network.
    """
    wallet = bound_key(engine)
    if wallet is None:
        return None
    if wallet.public_key != KEPT_ELSEWHERE:
        raise WalletMismatch(
            f"this wallet's store belongs to the key {wallet.fingerprint} of our own keychain: start it without "
            "--signer chia, or use another --home for the official wallet"
        )
    if wallet.network != network.name:
        raise _other_network(wallet, network)
    if fingerprint not in {None, wallet.fingerprint}:
        raise WalletMismatch(
            f"this wallet's store belongs to the official wallet's key {wallet.fingerprint}, not {fingerprint}: "
            "use another --home for another key"
        )
    return wallet.fingerprint


def bind_elsewhere(engine: Engine, network: Network, fingerprint: int) -> None:
    """Bind a new store to this key of the official wallet's."""
    _bind(engine, network, fingerprint, KEPT_ELSEWHERE, is_hardened=False)


def _bind(engine: Engine, network: Network, fingerprint: int, public_key: bytes, *, is_hardened: bool) -> None:
    with writing(engine) as session:
        session.add(
            WalletRow(
                id=1,
                fingerprint=fingerprint,
                public_key=public_key,
                network=network.name,
                is_hardened=is_hardened,
                scanned_height=-1,
            )
        )


def _other_network(wallet: WalletRow, network: Network) -> WalletMismatch:
    return WalletMismatch(
        f"this wallet's store is of {wallet.network}, the node is to follow {network.name}: "
        "use another --home for another network"
    )


def _check_binding(wallet: WalletRow, network: Network, key: KeyInfo | None) -> None:
    if wallet.network != network.name:
        raise _other_network(wallet, network)
    if wallet.public_key == KEPT_ELSEWHERE:
        raise WalletMismatch(
            f"this wallet's store belongs to the official wallet's key {wallet.fingerprint}: start it with "
            "--signer chia, or use another --home"
        )
    if key is not None and key.public_key != wallet.public_key:
        raise WalletMismatch(
            f"this wallet's store belongs to the key {wallet.fingerprint}, not {key.fingerprint}: "
            "use another --home for another key"
        )


def _address(row: AddressRow) -> Address:
    return Address(
        puzzle_hash=PuzzleHash(row.puzzle_hash),
        public_key=row.public_key,
        index=row.index,
        is_hardened=row.is_hardened,
    )


def _row(address: Address) -> AddressRow:
    return AddressRow(
        puzzle_hash=address.puzzle_hash,
        public_key=address.public_key,
        index=address.index,
        is_hardened=address.is_hardened,
        is_used=False,
        is_scanned=False,
    )
