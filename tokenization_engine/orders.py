"""A governor's order as a file: who shall own the registry next, for cold keys to read, sign and hand back.

The rule guarded here: a signer signs what the file says in words. The message to sign is made again from
those words on the signer's machine, never taken from the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from chia.types.blockchain_format.program import Program
from chia_rs import AugSchemeMPL, G2Element

from chain.errors import RequestError, SettingsError
from chain.json_values import parse_json, to_hex
from chain.network import Network, network_named
from puzzles.owners import order_puzzle
from puzzles.registry_ledger import next_coin_condition
from puzzles.units import CoinId, LauncherId
from tokenization_engine.custody import child_condition
from tokenization_engine.errors import OrderInvalid, OwnersInvalid
from tokenization_engine.keys import EngineKeys
from tokenization_engine.owners import (
    ColdKey,
    Custody,
    OwnersInWords,
    governor_json,
    governor_keys,
    owners_json,
    read_governor,
    read_owners,
    synthetic,
)

FORM = "carbon registry rotation order 1"
SIGNATURE_FORM = "carbon registry rotation signature 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Rotate this registry to these owners, by the governor it has now, with a signature bound to that coin.

    The coin is the cold singleton's, whatever the registry does meanwhile; or, for a governor of one key, the
    registry's own.
    """

    network: str
    registry_id: LauncherId
    governor: ColdKey | Custody
    owners: OwnersInWords
    coin_id: CoinId

    @property
    def conditions(self) -> list[Program]:
        """What the registry shall put out."""
        return [next_coin_condition(self.owners.owners.owners_hash)]

    @property
    def delegated_puzzle(self) -> Program:
        """What the governor's keys sign the hash of."""
        match self.governor:
            case Custody():
                return order_puzzle(self.registry_id, self.conditions, [child_condition(self.governor)])
            case ColdKey():
                return Program.to((1, self.conditions))

    @property
    def threshold(self) -> int:
        """How many signatures it needs."""
        return self.governor.threshold if isinstance(self.governor, Custody) else 1

    def message(self, network: Network) -> bytes:
        """What each key signs: AGG_SIG_ME over the delegated puzzle's hash."""
        return bytes(self.delegated_puzzle.get_tree_hash()) + self.coin_id + network.agg_sig_me_data

    @property
    def id(self) -> str:
        """A short name to compare by eye: sha256 of the order's canonical JSON, 0x and 64 digits."""
        return to_hex(sha256(json.dumps(self._body(), sort_keys=True).encode()).digest())

    def _body(self) -> dict[str, Any]:
        return {
            "form": FORM,
            "network": self.network,
            "registry_id": to_hex(self.registry_id),
            "governor": governor_json(self.governor),
            "new_owners": owners_json(self.owners),
            "coin_id": to_hex(self.coin_id),
        }

    def to_json(self) -> dict[str, Any]:
        """The order as a file holds it."""
        return self._body() | {"order_id": self.id}


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSignature:
    """One key's signature of one order."""

    order_id: str
    public_key: bytes
    signature: bytes

    def to_json(self) -> dict[str, Any]:
        """The signature as a file holds it."""
        return {
            "form": SIGNATURE_FORM,
            "order_id": self.order_id,
            "public_key": to_hex(self.public_key),
            "signature": to_hex(self.signature),
        }


def read_order(value: object) -> Order:
    """The order in a file's JSON; raises OrderInvalid unless it reads, and says of itself what it is."""
    data = _object(value, FORM, "an order")
    try:
        governor = read_governor(data["governor"])
        if not isinstance(governor, ColdKey | Custody):
            raise OrderInvalid("the order names no governor that can sign")
        order = Order(
            network=network_named(data["network"]).name,
            registry_id=LauncherId(_hash(data["registry_id"])),
            governor=governor,
            owners=read_owners(data["new_owners"]),
            coin_id=CoinId(_hash(data["coin_id"])),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OwnersInvalid, SettingsError) as error:
        raise OrderInvalid(f"the order does not read: {error}") from error
    if data.get("order_id") != order.id:
        raise OrderInvalid("the order was changed since it was written: its id does not fit what it says")
    return order


def read_signature(value: object) -> OrderSignature:
    """The signature in a file's JSON; raises OrderInvalid."""
    data = _object(value, SIGNATURE_FORM, "a signature of an order")
    try:
        return OrderSignature(
            order_id=str(data["order_id"]),
            public_key=bytes.fromhex(data["public_key"].removeprefix("0x")),
            signature=bytes.fromhex(data["signature"].removeprefix("0x")),
        )
    except (KeyError, ValueError, AttributeError) as error:
        raise OrderInvalid("the signature file does not read: expected the file that `rotate sign` wrote") from error


def read_file(data: bytes) -> object:
    """The JSON of an order or signature file; raises OrderInvalid."""
    try:
        return parse_json(data)
    except (RequestError, UnicodeDecodeError) as error:
        raise OrderInvalid("the file is not JSON: expected one that `rotate` wrote") from error


def sign_order(order: Order, keys: EngineKeys, network: Network) -> list[OrderSignature]:
    """The signatures of all our keys that the governor names; raises OrderInvalid if there is none."""
    if order.network != network.name:
        raise OrderInvalid(f"the order is for {order.network}, we are set to {network.name}")
    ours = [(key, address) for key in governor_keys(order.governor) if (address := keys.find(key)) is not None]
    if not ours:
        raise OrderInvalid(
            f"the key {keys.info.fingerprint} is none of the governor's: choose another one with "
            "CARBON_ENGINE_FINGERPRINT"
        )
    private = keys.private()
    return [
        OrderSignature(
            order_id=order.id,
            public_key=key,
            signature=bytes(AugSchemeMPL.sign(private.signing_key(address), order.message(network))),
        )
        for key, address in ours
    ]


def collect(order: Order, signatures: Iterable[OrderSignature], network: Network) -> dict[bytes, G2Element]:
    """Exactly as many valid signatures as the order needs, by public key; raises OrderInvalid if too few."""
    found: dict[bytes, G2Element] = {}
    for each in signatures:
        if each.order_id != order.id:
            raise OrderInvalid(f"the signature by {to_hex(each.public_key)} is of another order")
        if each.public_key not in governor_keys(order.governor):
            raise OrderInvalid(f"the key {to_hex(each.public_key)} is none of the governor's")
        try:
            signature = G2Element.from_bytes(each.signature)
        except ValueError as error:
            raise OrderInvalid(f"the signature by {to_hex(each.public_key)} does not read") from error
        if not AugSchemeMPL.verify(synthetic(each.public_key), order.message(network), signature):
            raise OrderInvalid(f"the signature by {to_hex(each.public_key)} does not fit the order")
        found[each.public_key] = signature
    if len(found) < order.threshold:
        raise OrderInvalid(f"the order has {len(found)} signatures: expected {order.threshold} by different keys")
    return {key: found[key] for key in sorted(found)[: order.threshold]}


def _object(value: object, form: str, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict) or value.get("form") != form:
        raise OrderInvalid(f"the file is not {what}: expected one whose form is {form!r}")
    return value


def _hash(text: str) -> bytes:
    data = bytes.fromhex(text.removeprefix("0x"))
    if len(data) != 32:
        raise ValueError("expected 32 bytes in hex")
    return data
