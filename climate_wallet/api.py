"""The daemon's HTTP routes: JSON in, JSON out, and one table from error to status.

Amounts of tokens are whole units at this door, XCH and fees are mojos; ids are hex with 0x. Words and private
keys never pass it.
"""

from __future__ import annotations

from aiohttp import web
from pydantic import Field

from chain.door import Door
from chain.errors import (
    AddressError,
    ChainError,
    FeeTooHigh,
    NodeDown,
    NodeNotSynced,
    NotAReceipt,
    NotOnChain,
    PushRefused,
    RequestError,
    SettingsError,
    StoreBusy,
    StoreError,
)
from chain.forms import Body, Hex32
from chain.json_values import to_hex
from chain.proofs import with_proof
from chain.serve import StatusTable, Watch, make_app
from chain.wire import answer, read_body, read_query
from climate_wallet.amounts import whole_units
from climate_wallet.certificate import certificate_of
from climate_wallet.errors import (
    AmountError,
    CannotReplace,
    HeldElsewhere,
    KeyExists,
    KeyNotFound,
    MnemonicError,
    NoCertificate,
    NotEnoughFunds,
    NotEnoughUnits,
    OfferDeclined,
    OfferEnded,
    OfferMalformed,
    OfferNotFound,
    OfferUnsupported,
    RequestReused,
    StockWalletDown,
    StockWalletMalformed,
    StockWalletRefused,
    TokenNotTrusted,
    TransactionNotFound,
    UnitsScattered,
    UnknownRegistry,
    UnknownToken,
    WalletError,
    WalletLocked,
    WalletMismatch,
    WalletNotSynced,
    WrongPassphrase,
)
from climate_wallet.journal import Transaction, find, newest, pending
from climate_wallet.offer_api import OfferRoutes
from climate_wallet.paying import MAX_XCH_MOJOS, Paying
from climate_wallet.registries import add_registry, remove_registry
from climate_wallet.seal_api import SealRoutes
from climate_wallet.service import Service
from climate_wallet.shapes import (
    balances_json,
    received_json,
    registry_json,
    request_json,
    state_json,
    transaction_json,
)
from climate_wallet.views import followed
from puzzles.certificate import write_certificate
from puzzles.errors import PuzzleError, RecordError, SerialError, UnitsError
from puzzles.units import AssetId, LauncherId, Mojos

STATUSES: StatusTable = {
    PuzzleError: 500,
    RecordError: 400,
    SerialError: 400,
    UnitsError: 400,
    ChainError: 502,
    RequestError: 400,
    SettingsError: 500,
    AddressError: 400,
    NodeDown: 503,
    NodeNotSynced: 503,
    NotAReceipt: 404,
    NotOnChain: 404,
    PushRefused: 409,
    FeeTooHigh: 409,
    StoreError: 500,
    StoreBusy: 503,
    WalletError: 500,
    MnemonicError: 400,
    KeyNotFound: 404,
    KeyExists: 409,
    WalletLocked: 423,
    WrongPassphrase: 403,
    WalletMismatch: 409,
    AmountError: 400,
    NotEnoughFunds: 409,
    NotEnoughUnits: 409,
    UnknownToken: 404,
    UnknownRegistry: 404,
    WalletNotSynced: 503,
    TransactionNotFound: 404,
    RequestReused: 409,
    NoCertificate: 409,
    CannotReplace: 409,
    StockWalletDown: 503,
    StockWalletRefused: 409,
    StockWalletMalformed: 502,
    UnitsScattered: 409,
    HeldElsewhere: 409,
    OfferMalformed: 400,
    OfferUnsupported: 400,
    OfferNotFound: 404,
    OfferEnded: 409,
    OfferDeclined: 409,
    TokenNotTrusted: 409,
}
"""Error class to HTTP status, by the nearest class of its family."""

MAX_PAGE = 500

_RequestId = Field(default=None, min_length=1, max_length=100)


class Unlock(Body):
    """Open the keychain; an empty passphrase opens one that has none."""

    passphrase: str = Field(default="", max_length=1000)


class SendUnits(Paying):
    """Send whole units of a token."""

    asset_id: Hex32
    units: int
    to: str = Field(max_length=200)
    request_id: str | None = _RequestId


class SendXch(Paying):
    """Send mojos of XCH."""

    mojos: int = Field(le=MAX_XCH_MOJOS)
    to: str = Field(max_length=200)
    request_id: str | None = _RequestId


class Retire(Paying):
    """Retire whole units; the fields named in `private` are only committed to on chain."""

    asset_id: Hex32
    units: int
    record: dict[str, str] = Field(default_factory=dict, max_length=32)
    private: list[str] = Field(default_factory=list, max_length=32)
    request_id: str | None = _RequestId


class Combine(Paying):
    """Make one coin that holds so many whole units of a token."""

    asset_id: Hex32
    units: int


class Detokenize(Body):
    """Ask the registry to take whole units back."""

    asset_id: Hex32
    units: int


class RaiseFee(Paying):
    """The whole fee that the replacement is to pay."""

    fee: int = Field(ge=0, le=MAX_XCH_MOJOS)


class Disclose(Body):
    """Private fields to open in a certificate, by name, joined by commas; and whether to ask the node for a proof."""

    disclose: str = Field(default="", max_length=1000)
    proof: bool = True


class AddRegistry(Body):
    """A registry to trust, by its launcher id."""

    registry_id: Hex32
    label: str | None = Field(default=None, max_length=100)


class Page(Body):
    """Which part of a long list."""

    limit: int = Field(default=50, ge=1, le=MAX_PAGE)
    offset: int = Field(default=0, ge=0, le=2**31)


def wallet_app(service: Service, door: Door, *, token: str, watch: Watch | None = None) -> web.Application:
    """The daemon's application."""
    routes = Routes(service)
    app = make_app(door, token=token, statuses=STATUSES, watch=watch)
    app.router.add_get("/v1/status", routes.status)
    app.router.add_post("/v1/lock", routes.lock)
    app.router.add_post("/v1/unlock", routes.unlock)
    app.router.add_get("/v1/address", routes.address)
    app.router.add_get("/v1/balances", routes.balances)
    app.router.add_post("/v1/send", routes.send)
    app.router.add_post("/v1/send-xch", routes.send_xch)
    app.router.add_post("/v1/retire", routes.retire)
    app.router.add_post("/v1/combine", routes.combine)
    app.router.add_post("/v1/detokenization-requests", routes.detokenize)
    app.router.add_get("/v1/transactions", routes.transactions)
    app.router.add_get("/v1/transactions/pending", routes.pending)
    app.router.add_get("/v1/transactions/{tx_id}", routes.transaction)
    app.router.add_post("/v1/transactions/{tx_id}/fee", routes.raise_fee)
    app.router.add_get("/v1/transactions/{tx_id}/certificate", routes.certificate)
    app.router.add_get("/v1/received", routes.received)
    app.router.add_get("/v1/registries", routes.registries)
    app.router.add_post("/v1/registries", routes.add_registry)
    app.router.add_delete("/v1/registries/{registry_id}", routes.remove_registry)
    OfferRoutes(service).add_to(app.router)
    SealRoutes(service).add_to(app.router)
    return app


class Routes:
    """One method a route."""

    def __init__(self, service: Service) -> None:
        """Answer for this wallet."""
        self._service = service

    def _shown(self, tx: Transaction) -> dict[str, object]:
        return transaction_json(tx, self._service.kept.height)

    async def status(self, _: web.Request) -> web.Response:
        """Key, lock, how far, and what is wrong if anything."""
        return answer(state_json(self._service.state()))

    async def lock(self, _: web.Request) -> web.Response:
        """Forget the private keys."""
        self._service.lock()
        return answer(state_json(self._service.state()))

    async def unlock(self, request: web.Request) -> web.Response:
        """Take the private keys from the keychain."""
        body = await read_body(request, Unlock)
        self._service.unlock(body.passphrase)
        return answer(state_json(self._service.state()))

    async def address(self, _: web.Request) -> web.Response:
        """An address that nothing was seen at yet."""
        address = await self._service.holder.address()
        text = self._service.network.encode_address(address.puzzle_hash)
        return answer({"address": text, "index": address.index, "puzzle_hash": to_hex(address.puzzle_hash)})

    async def balances(self, _: web.Request) -> web.Response:
        """XCH, units by block, and tokens of strangers."""
        return answer(balances_json(await self._service.holder.balances()))

    async def send(self, request: web.Request) -> web.Response:
        """Send whole units of a token."""
        body = await read_body(request, SendUnits)
        to = self._service.network.decode_address(body.to)
        tx = await self._service.holder.send_units(
            AssetId(body.asset_id),
            whole_units(body.units),
            to,
            fee=body.chosen(self._service.fees),
            request_id=body.request_id,
        )
        return answer(self._shown(tx), status=201)

    async def send_xch(self, request: web.Request) -> web.Response:
        """Send mojos of XCH."""
        body = await read_body(request, SendXch)
        to = self._service.network.decode_address(body.to)
        tx = await self._service.holder.send_xch(
            Mojos(body.mojos), to, fee=body.chosen(self._service.fees), request_id=body.request_id
        )
        return answer(self._shown(tx), status=201)

    async def retire(self, request: web.Request) -> web.Response:
        """Retire whole units."""
        body = await read_body(request, Retire)
        tx = await self._service.holder.retire(
            AssetId(body.asset_id),
            whole_units(body.units),
            body.record,
            private=body.private,
            fee=body.chosen(self._service.fees),
            request_id=body.request_id,
        )
        return answer(self._shown(tx), status=201)

    async def combine(self, request: web.Request) -> web.Response:
        """Make one coin that holds so many units, for a signer that burns out of one."""
        body = await read_body(request, Combine)
        tx = await self._service.holder.combine(
            AssetId(body.asset_id), whole_units(body.units), fee=body.chosen(self._service.fees)
        )
        return answer(self._shown(tx), status=201)

    async def detokenize(self, request: web.Request) -> web.Response:
        """The holder's half of a detokenization."""
        body = await read_body(request, Detokenize)
        half = await self._service.holder.request_detokenization(AssetId(body.asset_id), whole_units(body.units))
        return answer(request_json(half), status=201)

    async def transactions(self, request: web.Request) -> web.Response:
        """Our transactions, newest first."""
        page = read_query(request, Page)
        found = newest(self._service.kept.engine, limit=page.limit, offset=page.offset)
        return answer({"transactions": [self._shown(tx) for tx in found]})

    async def pending(self, _: web.Request) -> web.Response:
        """Our transactions that are in no block yet."""
        found = pending(self._service.kept.engine)
        return answer({"transactions": [self._shown(tx) for tx in found]})

    async def transaction(self, request: web.Request) -> web.Response:
        """One transaction."""
        return answer(self._shown(find(self._service.kept.engine, _hex32(request, "tx_id"))))

    async def raise_fee(self, request: web.Request) -> web.Response:
        """Replace a pending transaction by one with a higher fee."""
        body = await read_body(request, RaiseFee)
        fee = body.chosen(self._service.fees)
        assert fee is not None, "the field is required"
        tx = await self._service.holder.raise_fee(_hex32(request, "tx_id"), fee)
        return answer(self._shown(tx))

    async def certificate(self, request: web.Request) -> web.Response:
        """The certificate of a confirmed retirement, in the one canonical form: keep it byte for byte.

        It is proven to the block that sealed its receipt, if one has, unless no proof is asked for.
        """
        asked = read_query(request, Disclose)
        keys = [key for key in asked.disclose.split(",") if key]
        certificate = certificate_of(self._service.kept, _hex32(request, "tx_id"), disclosed=keys)
        if asked.proof:
            certificate = await with_proof(self._service.node, certificate)
        return web.Response(text=write_certificate(certificate), content_type="application/json")

    async def received(self, request: web.Request) -> web.Response:
        """Coins that came from others, newest first."""
        page = read_query(request, Page)
        found = await self._service.holder.received(limit=page.limit, offset=page.offset)
        return answer({"received": [received_json(each) for each in found]})

    async def registries(self, _: web.Request) -> web.Response:
        """The followed registries."""
        return answer({"registries": [registry_json(each) for each in followed(self._service.engine)]})

    async def add_registry(self, request: web.Request) -> web.Response:
        """Follow a registry."""
        body = await read_body(request, AddRegistry)
        registry_id = LauncherId(body.registry_id)
        async with self._service.kept.lock:
            name = await add_registry(self._service.node, self._service.engine, registry_id, body.label)
        self._service.look_now()
        return answer({"registry_id": to_hex(registry_id), "name": name}, status=201)

    async def remove_registry(self, request: web.Request) -> web.Response:
        """Stop following a registry."""
        async with self._service.kept.lock:
            remove_registry(self._service.engine, LauncherId(_hex32(request, "registry_id")))
        return answer({"registries": [registry_json(each) for each in followed(self._service.engine)]})


def _hex32(request: web.Request, name: str) -> bytes:
    text = request.match_info[name]
    try:
        data = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        data = b""
    if len(data) != 32 or not text.startswith("0x"):
        raise RequestError(f"the {name} in the address does not fit: expected 0x and 64 hex digits")
    return data
