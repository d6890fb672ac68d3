"""The doctor's look at the node: certificates, connection, network, sync, clock, versions and the present fee."""

from __future__ import annotations

import platform
import ssl
import stat
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from chain.certificates import certificate_files, client_certificates
from chain.doctor.findings import Found, failed, of_error, ok, unknown, warning
from chain.errors import AnswerMalformed, ChainError, FeeTooHigh, NodeDown, NodeNotSynced, NotOffered, WrongCertificates
from chain.fees import FeeSettings, fee_for
from chain.network import SIMULATOR0
from chain.node import Node, connect
from chain.settings import NodeSettings
from puzzles.units import Mojos

QUESTION_SECONDS = 8.0
"""How long one question of the doctor may take, whatever the settings allow."""

EXPIRES_SOON_DAYS = 30
MANY_BLOCKS = 3
"""So many blocks behind are no more than a slow minute."""
CLOCK_SKEW_SECONDS = 120
"""As far as a block may be ahead of the clock of who takes it."""
STALE_SECONDS = 600
"""After so long without a block with transactions, something is stuck: they come every 52 seconds or so."""
OLDEST_NODE = (2, 5)
"""The oldest full node that knows every rule our puzzles use."""
FULL_MEMPOOL = 0.9


def node_settings_for_doctor(settings: NodeSettings) -> NodeSettings:
    """The settings with a patience that suits somebody who waits at a terminal."""
    return settings.model_copy(update={"request_timeout": min(settings.request_timeout, QUESTION_SECONDS)})


def check_certificates(settings: NodeSettings) -> list[Found]:
    """Whether what the settings name to encrypt with is there, readable, whole, in time and for our eyes alone."""
    name = "certificates"
    if settings.url.startswith("http:"):
        return [ok(name, "plain HTTP, as the local simulator speaks it: none are needed")]
    try:
        client_certificates(settings)
    except WrongCertificates as error:
        return [of_error(name, error)]
    if settings.chia_root is None:
        trusted = "this machine's authorities" if settings.ca_file is None else f"the authorities in {settings.ca_file}"
        return [ok(name, f"a public endpoint, vouched for by {trusted}; no certificate is shown")]
    files = certificate_files(settings)
    found = _check_pair(name, files.authority, files.own)
    for key in (files.authority_key, files.own_key):
        if stat.S_IMODE(key.stat().st_mode) & 0o077:
            found.append(warning(name, f"the key {key} can be read by other users", f"run chmod 600 {key}"))
    return found or [ok(name, f"those of {settings.chia_root}, in time and whole")]


def _check_pair(name: str, authority: Path, own: Path) -> list[Found]:
    """What is wrong with a certificate and the authority that signed it."""
    renew = "let `chia init --create-certs` or the node's owner make new ones"
    try:
        ours, theirs = (x509.load_pem_x509_certificate(path.read_bytes()) for path in (own, authority))
    except (ValueError, OSError) as error:
        return [failed(name, f"{own} or {authority} does not read ({type(error).__name__})", renew)]
    found = []
    try:
        ours.verify_directly_issued_by(theirs)
    except (ValueError, TypeError, InvalidSignature):
        found.append(failed(name, f"{own} was not made by the authority {authority}", renew))
    now = datetime.now(UTC)
    for path, certificate in ((own, ours), (authority, theirs)):
        days = (certificate.not_valid_after_utc - now).days
        if now > certificate.not_valid_after_utc or now < certificate.not_valid_before_utc:
            end = certificate.not_valid_after_utc.date()
            found.append(failed(name, f"{path} is out of its time (it ends on {end})", renew))
        elif days < EXPIRES_SOON_DAYS:
            found.append(warning(name, f"{path} ends in {days} days", renew))
    return found


NODE_CHECKS = ("network", "sync", "clock", "fee")


async def check_node(settings: NodeSettings, fees: FeeSettings | None, *, typical_cost: int = 0) -> list[Found]:
    """The certificates and the node; with `fees`, what a transaction of that CLVM cost would pay now."""
    found = check_certificates(settings)
    if any(each.verdict == "failed" for each in found):
        return [*found, *(unknown(name, "mend the certificates first") for name in ("connection", *NODE_CHECKS))]
    async with connect(settings) as node:
        try:
            await node.network()
        except (NodeDown, WrongCertificates, AnswerMalformed) as error:
            rest = [unknown(name, "mend the connection first") for name in NODE_CHECKS]
            return [*found, of_error("connection", error), *rest]
        except ChainError as error:  # it answers, and follows another network
            answers = ok("connection", f"{node.place} answers")
            return [*found, answers, of_error("network", error), unknown("sync", "set the network first")]
        found.append(ok("connection", f"{node.place} answers"))
        found.append(_network(node))
        found += await _sync_and_clock(node)
        if fees is not None:
            found.append(await check_fee(node, fees, typical_cost))
        return [*found, await _versions(node)]


def _network(node: Node) -> Found:
    network = node.expected_network
    return ok(
        "network",
        f"{network.name}, genesis {network.genesis_challenge.hex()[:8]}..., "
        f"signatures for {network.agg_sig_me_data.hex()[:8]}...",
    )


async def _sync_and_clock(node: Node) -> list[Found]:
    try:
        standing = await node.standing()
    except NodeNotSynced as error:
        return [of_error("sync", error), unknown("clock", "wait until the node has blocks")]
    except ChainError as error:
        return [of_error("sync", error), unknown("clock", "mend what the node answers first")]
    height = standing.peak.height
    behind = max(0, (standing.tip_height or 0) - height)
    if not standing.peak.is_synced:
        far = f", {behind} blocks behind" if behind else ""
        sync = failed("sync", f"the node is at block {height}{far}, and not synced", "wait until the node is synced")
    elif behind > MANY_BLOCKS:
        sync = warning("sync", f"the node is at block {height}, {behind} behind its peers", "wait for it to catch up")
    else:
        sync = ok("sync", f"synced, block {height}")
    found = [sync]
    if standing.mempool_fullness is not None and standing.mempool_fullness > FULL_MEMPOOL:
        full = f"the mempool is {standing.mempool_fullness:.0%} full"
        found.append(warning("mempool", full, "expect to pay a fee, or wait for a quieter hour"))
    return [*found, await _clock(node, standing.last_transaction_height)]


async def _clock(node: Node, height: int | None) -> Found:
    """Our clock against the newest block that has a time."""
    if node.expected_network is SIMULATOR0:
        return ok("clock", "a simulator's blocks keep a time of their own: nothing to compare")
    block = None if height is None else await node.block(height)
    if block is None or block.timestamp is None:
        return unknown("clock", "the node named no block with a time: look again in a minute")
    ahead = block.timestamp - int(time.time())
    sync_clock = "let the machine keep time by NTP (timedatectl set-ntp true)"
    if ahead > CLOCK_SKEW_SECONDS:
        return failed("clock", f"this machine's clock is {ahead} seconds or more behind block {height}", sync_clock)
    if -ahead > STALE_SECONDS:
        old = f"the newest block with transactions is {-ahead} seconds old"
        return warning(
            "clock", old, f"the node may be stuck, or this clock is ahead: look at the node, or {sync_clock}"
        )
    return ok("clock", f"{-ahead} seconds after the newest block with transactions")


async def check_fee(node: Node, fees: FeeSettings, cost: int) -> Found:
    """What a transaction of that cost pays now, against the ceiling."""
    try:
        fee = await fee_for(node, cost, fees.model_copy(update={"is_capped": False}))
    except FeeTooHigh as error:
        return warning(
            "fee", f"{error.wanted} mojos now, above the ceiling of {error.ceiling}", "wait, or raise the ceiling"
        )
    except NotOffered:
        return warning("fee", "the node estimates no fees", "name the fee of each transaction with --fee")
    except ChainError as error:
        return of_error("fee", error)
    return ok("fee", f"{fee} mojos for a typical transaction, the ceiling is {fees.ceiling}")


async def present_fee(node: Node, fees: FeeSettings, cost: int) -> Mojos:
    """What a transaction of that cost pays now, no more than the ceiling; nothing where nobody says."""
    try:
        return await fee_for(node, cost, fees.model_copy(update={"is_capped": True}))
    except ChainError:
        return Mojos(0)


async def _versions(node: Node) -> Found:
    ours = f"carbon-registry-on-chia {version('carbon-registry-on-chia')}, chia {version('chia-blockchain')}"
    here = f"{ours}, python {platform.python_version()}, {ssl.OPENSSL_VERSION.split(' (')[0]}"
    try:
        theirs = await node.version()
    except ChainError:
        theirs = None
    if theirs is None:
        return ok("versions", f"{here}; the node does not tell its own")
    if _numbers(theirs) < OLDEST_NODE:
        oldest = ".".join(map(str, OLDEST_NODE))
        return warning("versions", f"{here}; the node is {theirs}", f"bring the node to {oldest} or newer")
    return ok("versions", f"{here}; the node is {theirs}")


def _numbers(text: str) -> tuple[int, ...]:
    """The first two numbers of a version; what does not read counts as new."""
    parts = text.split(".")[:2]
    return (
        tuple(int(part) for part in parts) if all(part.isdigit() and len(part) < 6 for part in parts) else OLDEST_NODE
    )
