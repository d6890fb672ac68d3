"""Three ways to a node: plain HTTP, TLS with the node's own certificates, HTTPS without; and what fails in each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from chia.server.server import ssl_context_for_server
from chia.ssl.create_ssl import create_all_ssl
from chia.util.config import create_default_chia_config

from chain.certificates import client_certificates
from chain.errors import WrongCertificates
from chain.node import connect
from chain.settings import NodeSettings
from sim.local_chain import LocalChain
from sim.server import make_app


@pytest.fixture(scope="module")
def chia_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A node's CHIA_ROOT with its own certificates."""
    return made_root(tmp_path_factory.mktemp("node"))


def made_root(root: Path) -> Path:
    """A CHIA_ROOT with configuration and certificates, as `chia init` makes it."""
    create_default_chia_config(root, ["config.yaml"])
    create_all_ssl(root)
    return root


@pytest.fixture
async def url(chain: LocalChain, chia_root: Path) -> AsyncIterator[str]:
    """The local chain behind TLS, as a real node serves it: clients without its certificate are turned away."""
    ca, own = chia_root / "config/ssl/ca", chia_root / "config/ssl/full_node"
    context = ssl_context_for_server(
        ca / "private_ca.crt", ca / "private_ca.key", own / "private_full_node.crt", own / "private_full_node.key"
    )
    runner = web.AppRunner(make_app(chain), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    yield f"https://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_own_node_answers_with_the_certificates_of_its_chia_root(
    chain: LocalChain, url: str, chia_root: Path
) -> None:
    async with connect(NodeSettings(url=url, chia_root=chia_root)) as node:
        assert (await node.peak()).height == chain.height


async def test_own_node_turns_strangers_certificates_away(url: str, tmp_path: Path) -> None:
    async with connect(NodeSettings(url=url, chia_root=made_root(tmp_path))) as node:
        with pytest.raises(WrongCertificates, match="CARBON_CHIA_ROOT"):
            await node.peak()


async def test_own_node_without_certificates_is_refused_by_us(url: str) -> None:
    async with connect(NodeSettings(url=url)) as node:
        with pytest.raises(WrongCertificates, match="CARBON_CHIA_ROOT"):
            await node.peak()


def test_directory_that_is_no_chia_root_is_refused(tmp_path: Path) -> None:
    settings = NodeSettings(url="https://127.0.0.1:1", chia_root=tmp_path)
    with pytest.raises(WrongCertificates, match=r"holds no config/config\.yaml"):
        client_certificates(settings)


def test_broken_certificate_is_refused(tmp_path: Path) -> None:
    made_root(tmp_path)
    (tmp_path / "config/ssl/daemon/private_daemon.key").write_text("no key")
    with pytest.raises(WrongCertificates, match="cannot be used"):
        client_certificates(NodeSettings(url="https://127.0.0.1:1", chia_root=tmp_path))


def test_public_endpoint_is_shown_no_certificate() -> None:
    assert client_certificates(NodeSettings(url="https://node.example", network="mainnet")) is None
