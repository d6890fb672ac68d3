"""`doctor` and the connection on a real node: by the certificates of its CHIA_ROOT, and as a public HTTPS endpoint."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web

from chain.doctor.findings import Found, Verdict
from chain.doctor.node import check_node
from chain.doctor.telling import FAILED_EXIT
from chain.errors import WrongCertificates
from chain.fees import FeeSettings
from chain.node import connect
from chain.settings import NodeSettings
from climate_wallet.keys import KeyStore
from tests.chain.test_connection import made_root
from tests.real_node.node import RealNode
from tests.real_node.processes import free_ports
from tests.real_node.trouble import endpoint

pytestmark = [pytest.mark.real_node, pytest.mark.timeout(300)]

COST = 50_000_000


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A throw-away authority."""
    return trustme.CA()


def tls(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    """What a public endpoint of these names shows."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*(names or ("localhost",))).configure_cert(context)
    return context


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    return tmp_path / "authority.pem"


@pytest.fixture
async def public(real_node: RealNode, authority: trustme.CA) -> AsyncIterator[str]:
    """The real node behind HTTPS that asks nobody for a certificate."""
    async with endpoint(real_node, tls(authority)) as url:
        yield url


def by_name(found: list[Found]) -> dict[str, Found]:
    return {each.check: each for each in found}


async def looked(settings: NodeSettings) -> dict[str, Found]:
    return by_name(await check_node(settings, FeeSettings(), typical_cost=COST))


def verdicts(found: Mapping[str, Found]) -> set[Verdict]:
    return {each.verdict for each in found.values()}


async def test_own_node_is_found_well(real_node: RealNode) -> None:
    found = await looked(real_node.settings)
    assert verdicts(found) == {Verdict.OK}, found
    assert set(found) == {"certificates", "connection", "network", "sync", "clock", "fee", "versions"}
    assert str(real_node.home.chia_root) in found["certificates"].found
    assert found["connection"].found == f"{real_node.url} answers"
    assert "the node is 2.7" in found["versions"].found


async def test_public_endpoint_answers_whoever_trusts_its_authority(public: str, ca_file: Path) -> None:
    found = await looked(NodeSettings(url=public, ca_file=ca_file))
    assert verdicts(found) == {Verdict.OK}, found
    assert found["certificates"].found.startswith("a public endpoint, vouched for by the authorities in")


async def test_own_node_and_public_endpoint_tell_the_same_chain(
    real_node: RealNode, public: str, ca_file: Path
) -> None:
    async with connect(real_node.settings) as own, connect(NodeSettings(url=public, ca_file=ca_file)) as other:
        assert await own.peak() == await other.peak()


async def test_endpoint_that_no_authority_of_ours_vouches_for_is_refused(public: str, tmp_path: Path) -> None:
    """Self-signed for all we know: verification is never off."""
    found = await looked(NodeSettings(url=public))
    assert found["connection"].verdict is Verdict.FAILED
    assert "CARBON_NODE_CA_FILE" in found["connection"].advice
    trustme.CA().cert_pem.write_to_path(tmp_path / "another.pem")
    with pytest.raises(WrongCertificates):
        async with connect(NodeSettings(url=public, ca_file=tmp_path / "another.pem")) as node:
            await node.peak()


async def test_certificate_of_another_name_is_refused(
    real_node: RealNode, authority: trustme.CA, ca_file: Path
) -> None:
    async with endpoint(real_node, tls(authority, "node.example")) as url:
        found = await looked(NodeSettings(url=url, ca_file=ca_file))
    assert found["connection"].verdict is Verdict.FAILED
    assert "certificates" in found["connection"].found


async def test_certificates_of_another_node_are_told(real_node: RealNode, tmp_path: Path) -> None:
    settings = NodeSettings(url=real_node.url, chia_root=made_root(tmp_path))
    found = await looked(settings)
    assert found["certificates"].verdict is Verdict.OK
    assert found["connection"].verdict is Verdict.FAILED
    assert "CHIA_ROOT" in found["connection"].advice
    assert found["sync"].advice == "mend the connection first"


async def test_wrong_port_is_told(real_node: RealNode) -> None:
    (port,) = free_ports(1)
    found = await looked(real_node.settings.model_copy(update={"url": f"https://127.0.0.1:{port}"}))
    assert found["connection"].verdict is Verdict.FAILED
    assert "Connection refused" in found["connection"].found


async def test_port_of_the_peers_is_no_rpc(real_node: RealNode) -> None:
    found = await looked(real_node.settings.model_copy(update={"url": f"https://127.0.0.1:{real_node.port}"}))
    assert found["connection"].verdict is Verdict.FAILED


async def test_wrong_network_is_told(real_node: RealNode) -> None:
    found = await looked(real_node.settings.model_copy(update={"network": "testnet11"}))
    assert found["network"].verdict is Verdict.FAILED
    assert "follows simulator0, expected testnet11" in found["network"].found


async def test_node_that_is_behind_is_told(real_node: RealNode) -> None:
    def behind(path: str, answer: dict[str, Any]) -> dict[str, Any]:
        if path == "get_blockchain_state":
            height = answer["blockchain_state"]["peak"]["height"]
            answer["blockchain_state"]["sync"] |= {"synced": False, "sync_tip_height": height + 1234}
        return answer

    async with endpoint(real_node, None, behind) as url:
        found = await looked(NodeSettings(url=url))
    assert found["sync"].verdict is Verdict.FAILED
    assert "1234 blocks behind, and not synced" in found["sync"].found
    assert found["sync"].advice == "wait until the node is synced"


async def test_endpoint_without_some_methods_is_told_and_works(real_node: RealNode) -> None:
    def lacking(path: str, answer: dict[str, Any]) -> dict[str, Any] | web.Response:
        if path in {"get_fee_estimate", "get_version"}:
            return web.Response(status=404, text="<html>no such page</html>", content_type="text/html")
        return answer

    async with endpoint(real_node, None, lacking) as url:
        found = await looked(NodeSettings(url=url))
    assert found["fee"].verdict is Verdict.WARNING
    assert "--fee" in found["fee"].advice
    assert found["versions"].found.endswith("the node does not tell its own")
    assert Verdict.FAILED not in verdicts(found)


async def test_endpoint_that_is_asked_too_often_is_told_in_time(real_node: RealNode) -> None:
    def busy(path: str, answer: dict[str, Any]) -> dict[str, Any] | web.Response:
        return web.Response(status=429, headers={"Retry-After": "600"}, text="<html>slow down</html>")

    async with endpoint(real_node, None, busy) as url:
        found = await looked(NodeSettings(url=url))
    assert found["connection"].verdict is Verdict.FAILED
    assert "HTTP status 429" in found["connection"].found
    assert found["connection"].advice == "it is asked too often, try again in 600 seconds"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A machine with a key."""
    store = KeyStore(tmp_path / "keys")
    store.create("doctor")
    store.close()
    return tmp_path


async def run(home: Path, program: str, node: Mapping[str, str], *args: str) -> tuple[int, dict[str, Any]]:
    """Exit code and JSON of a program's doctor, in a process of its own."""
    wallet_port, explorer_port = free_ports(2)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("CARBON_")} | {
        "CHIA_KEYS_ROOT": str(home / "keys"),
        "CARBON_ENGINE_DATABASE": f"sqlite:///{home}/register.sqlite",
        "CARBON_WALLET_HOME": str(home / "wallet"),
        "CARBON_WALLET_PORT": str(wallet_port),
        "CARBON_EXPLORER_HOME": str(home / "explorer"),
        "CARBON_EXPLORER_PORT": str(explorer_port),
        **node,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", program, *args, "doctor", "--json"),
        env=environment,
        cwd=home,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert b"Traceback" not in err
    assert process.returncode is not None
    return process.returncode, json.loads(out)


@pytest.mark.parametrize("program", ["climate_wallet", "tokenization_engine", "explorer"])
async def test_every_program_looks_at_its_own_node(real_node: RealNode, home: Path, program: str) -> None:
    code, told = await run(home, program, real_node.environment)
    checks = {each["check"]: each for each in told["checks"]}
    assert checks["sync"]["verdict"] == checks["certificates"]["verdict"] == "ok"
    assert "failed" not in {each["verdict"] for each in told["checks"]}
    assert (code, told["verdict"]) == (0, "warning")  # new: nothing is registered, followed or owned yet


async def test_program_trusts_the_authorities_of_its_machine(public: str, ca_file: Path, home: Path) -> None:
    node = {"CARBON_NODE_URL": public, "CARBON_NETWORK": "simulator0"}
    code, told = await run(home, "explorer", {**node, "SSL_CERT_FILE": str(ca_file)})
    checks = {each["check"]: each for each in told["checks"]}
    assert (code, checks["connection"]["verdict"]) == (0, "ok")
    code, told = await run(home, "explorer", node)
    checks = {each["check"]: each for each in told["checks"]}
    assert (code, checks["connection"]["verdict"]) == (FAILED_EXIT, "failed")
