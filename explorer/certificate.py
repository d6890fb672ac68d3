"""What a retirement certificate proves, said exactly: by itself, to a header, against a node, and against the index.

By itself a certificate is only consistent: anyone can write one. That its receipt is on chain makes it a proof, since
nothing else can put a coin of that id there: a node says so, or the certificate proves that a block spent the receipt,
and a header hash that the reader trusts says that the block is one of the chain. That the serials are the stated ones
follows from reading the whole token, which is the index's work.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine

from chain.database import reading
from chain.network import NETWORKS, Network
from chain.node import Block, ChainCoin, Node
from explorer.answers import SerialBlock, serial_block
from explorer.errors import NotIndexed
from explorer.events import retirement
from explorer.shown import show_fields
from puzzles.certificate import Certificate
from puzzles.errors import CertificateError
from puzzles.units import UnitBlock

CONSISTENT = "consistent"
PROVEN = "proven to a trusted header"
OPEN = "on chain"
SEALED = "on chain, sealed"

RENEW = "have the proof made anew from a node (climate-explorer prove)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was proven and what was not, in sentences; `level` is CONSISTENT, PROVEN, OPEN or SEALED.

    The values are those recomputed from the certificate. `header_hash` and `header_timestamp` are those of the block
    that its proof is of, if it has one; the heights are the node's word.
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
    network: str
    header_hash: bytes | None = None
    header_timestamp: int | None = None
    sealed_height: int | None = None
    retired_height: int | None = None
    retired_timestamp: int | None = None


@dataclass(kw_only=True)
class _Findings:
    """What was found so far."""

    level: str = CONSISTENT
    proven: list[str] = field(default_factory=list)
    not_proven: list[str] = field(default_factory=list)


async def verify(
    certificate: Certificate,
    *,
    trusted_header: bytes | None = None,
    node: Node | None = None,
    index: Engine | None = None,
) -> Verdict:
    """What the certificate proves; raises CertificateError if header, chain or index contradict it.

    `trusted_header` is the hash of a header (32 bytes) that the reader knows to be one of the chain.
    """
    network = _network(certificate)
    found = _Findings()
    found.proven.append(
        f"the receipt's id commits to the retirement of {certificate.unit_count} units of {certificate.unit_block}, "
        "to their metadata and to the record"
    )
    if certificate.disclosed:
        keys = ", ".join(each.key for each in certificate.disclosed)
        found.proven.append(f"the disclosed fields ({keys}) are the ones that the record commits to")
    _hold_header(found, certificate, trusted_header)
    receipt = None if node is None else await _hold_node(found, certificate, node)
    if receipt is None:
        found.not_proven.append(_left_to_a_node(certificate, trusted_header, network))
    found.not_proven.append("that the registry is the genuine one: compare its id with one you trust")
    _hold_serials(found, certificate, index)
    proof = certificate.proof
    return Verdict(
        level=found.level,
        proven=tuple(found.proven),
        not_proven=tuple(found.not_proven),
        registry_id=certificate.registry_id,
        asset_id=certificate.asset_id,
        receipt_id=certificate.receipt_id,
        unit_block=_serials(certificate.unit_block),
        unit_count=certificate.unit_count,
        serials=None if certificate.serials is None else _serials(certificate.serials),
        metadata=json.loads(show_fields(certificate.metadata_fields)),
        record=json.loads(show_fields(certificate.fields)),
        disclosed={each.key: each.value for each in certificate.disclosed},
        network=network.name,
        header_hash=None if proof is None else proof.header_hash,
        header_timestamp=None if proof is None else proof.timestamp,
        sealed_height=None if receipt is None else receipt.spent_height,
        retired_height=None if receipt is None else receipt.created_height,
        retired_timestamp=None if receipt is None else receipt.timestamp,
    )


def _network(certificate: Certificate) -> Network:
    """The network that the certificate names; raises CertificateError for one that there is not."""
    for network in NETWORKS.values():
        if network.genesis_challenge == certificate.genesis_challenge:
            return network
    raise CertificateError(
        f"the certificate names the network 0x{certificate.genesis_challenge.hex()}, which is none of "
        f"{', '.join(NETWORKS)}"
    )


def _hold_header(found: _Findings, certificate: Certificate, trusted: bytes | None) -> None:
    """Hold the proof against the trusted header; raises CertificateError if it is of no or of another block."""
    proof = certificate.proof
    if proof is not None:
        found.proven.append(
            f"the block 0x{proof.header_hash.hex()}, made at {_time(proof.timestamp)}, spent the receipt: if it is a "
            "block of the chain, the units are retired, in it or before it"
        )
    if trusted is None:
        return
    if proof is None:
        raise CertificateError(
            "the certificate carries no proof against a block header: once the receipt is sealed (climate-wallet seal "
            f"0x{certificate.receipt_id.hex()}), {RENEW}"
        )
    if proof.header_hash != trusted:
        raise CertificateError(
            f"the certificate is proven to the block 0x{proof.header_hash.hex()}, not to the trusted one, "
            f"0x{trusted.hex()}: it is of another block, or a reorg has made it stale; {RENEW}"
        )
    found.level = PROVEN
    found.proven.append("this block's header is the one you trust: the units are retired")


async def _hold_node(found: _Findings, certificate: Certificate, node: Node) -> ChainCoin:
    """Hold receipt and proof against the node's chain; raises CertificateError if the receipt is not on it."""
    receipt = await _on_chain(certificate, node)
    found.proven.append(
        f"the receipt was made in block {receipt.created_height} of the node's chain: the units are retired"
    )
    block = None if receipt.spent_height is None else await node.block(receipt.spent_height)
    if found.level != PROVEN or not _is_proven_in(certificate, block):
        found.level = OPEN if receipt.spent_height is None else SEALED
    if receipt.spent_height is None:
        found.not_proven.append(
            "that the receipt is sealed: it is still open, and no block header can prove it; anyone can seal it "
            f"(climate-wallet seal 0x{certificate.receipt_id.hex()})"
        )
    else:
        found.proven.append(f"the receipt is sealed: block {receipt.spent_height} of the node's chain spent it")
    _hold_block(found, certificate, block)
    return receipt


def _hold_block(found: _Findings, certificate: Certificate, block: Block | None) -> None:
    """Compare the proof's block with the one of the node's chain that spent the receipt."""
    proof = certificate.proof
    if proof is None:
        if block is not None:
            found.not_proven.append(f"anything without a node: the certificate carries no proof of a block; {RENEW}")
    elif block is not None and _is_proven_in(certificate, block):
        found.proven.append(f"the proof's block is block {block.height} of the node's chain")
    else:
        found.not_proven.append(
            f"that the proof's block 0x{proof.header_hash.hex()} is one of the node's chain: it is not the one that "
            f"spent the receipt there; a reorg has made the proof stale, or somebody made it up; {RENEW}"
        )


def _is_proven_in(certificate: Certificate, block: Block | None) -> bool:
    """Whether the certificate's proof is of this block."""
    proof = certificate.proof
    return proof is not None and block is not None and block.header_hash == proof.header_hash


def _left_to_a_node(certificate: Certificate, trusted: bytes | None, network: Network) -> str:
    """What no reader can see without a node."""
    proof = certificate.proof
    if trusted is not None:
        return (
            f"that the trusted header is one of {network.name}, and at which height it stands: whoever gave it to you "
            "answers for that, a node shows it (--node)"
        )
    if proof is not None:
        return (
            f"that the block 0x{proof.header_hash.hex()} is one of {network.name}: compare it with a header you trust "
            "(--trusted-header), or ask a node (--node)"
        )
    return (
        "that the receipt is on chain: ask a node (--node); the certificate carries no proof against a block "
        f"header, which a sealed receipt can have: {RENEW}"
    )


def _hold_serials(found: _Findings, certificate: Certificate, index: Engine | None) -> None:
    """Hold the stated serials, if any, against the index, if any."""
    stated = certificate.serials
    if stated is None:
        return
    if index is not None and _serials_hold(certificate, index):
        found.proven.append(f"the units have the serials {stated}, by the rule, as this explorer computed them")
    else:
        found.not_proven.append(
            f"that the units have the serials {stated}, as stated: an explorer that follows the registry "
            "recomputes them"
        )


def _time(timestamp: int) -> str:
    """A block's time in words; what does not fit a calendar, in seconds."""
    try:
        return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return f"{timestamp} s after 1970"


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
