"""What a retirement certificate proves, said exactly: by itself, against a node, and against the index.

By itself a certificate is only consistent: anyone can write one. That its receipt is on chain makes it a proof, since
nothing else can put a coin of that id there. That serials are the stated ones follows from reading the whole token,
which is the index's work.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine

from chain.database import reading
from chain.node import ChainCoin, Node
from explorer.answers import SerialBlock, serial_block
from explorer.errors import NotIndexed
from explorer.events import retirement
from explorer.shown import show_fields
from puzzles.certificate import Certificate, read_certificate
from puzzles.errors import CertificateError
from puzzles.units import UnitBlock

CONSISTENT = "consistent"
OPEN = "on chain"
SEALED = "on chain, sealed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was proven and what was not, in sentences; `level` is CONSISTENT, OPEN or SEALED.

    The values are those recomputed from the certificate.
    """

    level: str
    proven: tuple[str, ...]
    not_proven: tuple[str, ...]
    registry_id: bytes
    asset_id: bytes
    receipt_id: bytes
    unit_block: SerialBlock
    unit_count: int
    serials: SerialBlock | None
    metadata: dict[str, Any]
    record: dict[str, Any]
    disclosed: dict[str, str]
    retired_height: int | None = None
    retired_timestamp: int | None = None


def read_strictly(data: bytes) -> Certificate:
    """The certificate; raises CertificateError unless it is canonical and consistent."""
    return read_certificate(data)


async def verify(certificate: Certificate, *, node: Node | None = None, index: Engine | None = None) -> Verdict:
    """What the certificate proves; raises CertificateError if the chain or the index contradicts it."""
    proven = [
        f"the receipt's id commits to the retirement of {certificate.unit_count} units of {certificate.unit_block}, "
        "to their metadata and to the record",
    ]
    if certificate.disclosed:
        keys = ", ".join(field.key for field in certificate.disclosed)
        proven.append(f"the disclosed fields ({keys}) are the ones that the record commits to")
    not_proven = ["that the registry is the genuine one: compare its id with one you trust"]
    level, receipt = CONSISTENT, None
    if node is None:
        not_proven.insert(0, "that the receipt is on chain: ask a node (--node)")
    else:
        receipt = await _on_chain(certificate, node)
        proven.append(
            f"the receipt was made in block {receipt.created_height} of the node's chain: the units are retired"
        )
        level = OPEN if receipt.spent_height is None else SEALED
        if level == SEALED:
            proven.append("the receipt is sealed (spent), so a block header can prove it without a node")
        else:
            not_proven.append("that the receipt is sealed: it is still open, anyone can seal it")
    if certificate.serials is not None and (index is None or not _serials_hold(certificate, index)):
        not_proven.append(
            f"that the units have the serials {certificate.serials}, as stated: an explorer that follows the registry "
            "recomputes them"
        )
    elif certificate.serials is not None:
        proven.append(f"the units have the serials {certificate.serials}, by the rule, as this explorer computed them")
    return Verdict(
        level=level,
        proven=tuple(proven),
        not_proven=tuple(not_proven),
        registry_id=certificate.registry_id,
        asset_id=certificate.asset_id,
        receipt_id=certificate.receipt_id,
        unit_block=_serials(certificate.unit_block),
        unit_count=certificate.unit_count,
        serials=None if certificate.serials is None else _serials(certificate.serials),
        metadata=json.loads(show_fields(certificate.metadata_fields)),
        record=json.loads(show_fields(certificate.fields)),
        disclosed={field.key: field.value for field in certificate.disclosed},
        retired_height=None if receipt is None else receipt.created_height,
        retired_timestamp=None if receipt is None else receipt.timestamp,
    )


def _serials(block: UnitBlock) -> SerialBlock:
    return serial_block(block.series, block.first, block.last)


async def _on_chain(certificate: Certificate, node: Node) -> ChainCoin:
    network = await node.network()
    if network.genesis_challenge != certificate.genesis_challenge:
        raise CertificateError(f"the certificate is of another network than the node's, {network.name}")
    receipt = (await node.coins([certificate.receipt_id])).get(certificate.receipt_id)
    if receipt is None:
        raise CertificateError(
            f"the receipt 0x{certificate.receipt_id.hex()} is not on chain: no such retirement happened (yet)"
        )
    return receipt


def _serials_hold(certificate: Certificate, index: Engine) -> bool:
    """Whether the index gives the same serials; False if it does not know the retirement; raises CertificateError."""
    with reading(index) as session:
        try:
            found = retirement(session, certificate.receipt_id)
        except NotIndexed:
            return False
    stated, known = certificate.serials, found.unit_block
    if stated is None or known is None:
        return False
    if (stated.series, stated.first, stated.last) != (known.series, known.first, known.last):
        raise CertificateError(
            f"the certificate states the serials {stated}, but the chain gives this retirement "
            f"{known.first_serial} to {known.last_serial}"
        )
    return True
