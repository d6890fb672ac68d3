"""The real node and the official wallets, one of each for each worker; see `node.py` and `wallet.py` for their use."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import pytest_asyncio

from tests.real_node.cast import Cast
from tests.real_node.node import RealNode
from tests.real_node.wallet import StockWallet

WALLET_MNEMONICS = (
    "zoo " * 23 + "vote",
    "legal winner thank year wave sausage worth useful legal winner thank year "
    "wave sausage worth useful legal winner thank year wave sausage worth title",
    "letter advice cage absurd amount doctor acoustic avoid letter advice cage absurd "
    "amount doctor acoustic avoid letter advice cage absurd amount doctor acoustic bless",
)
"""Keys in the keychain of the session's node; the first fingerprint is the farmer's, these follow."""
OTHER_MNEMONIC = "abandon " * 11 + "about"
"""The key of the other wallet."""


@pytest.hookimpl(tryfirst=True)  # before the workers read the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With several workers, each with a node of its own: all who need the cast go to one, else each file to one."""
    for item in items:
        if isinstance(item, pytest.Function) and item.get_closest_marker("real_node"):
            item.add_marker(pytest.mark.xdist_group("cast" if "cast" in item.fixturenames else item.path.stem))


@pytest.fixture(scope="session")
def real_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealNode]:
    """The session's real full node."""
    node = RealNode(folder=tmp_path_factory.mktemp("real-node"), mnemonics=WALLET_MNEMONICS)
    node.start()
    try:
        yield node
    finally:
        node.stop()


@pytest.fixture(scope="session")
def stock_wallet(real_node: RealNode) -> Iterator[StockWallet]:
    """The session's chia_wallet, in the node's home: four keys, the farmer's first."""
    wallet = StockWallet.beside(real_node)
    wallet.start()
    try:
        yield wallet
    finally:
        wallet.stop()


@pytest.fixture(scope="session")
def other_stock_wallet(real_node: RealNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StockWallet]:
    """A second chia_wallet with a home and one key of its own: another user of the same chain."""
    wallet = StockWallet.of_its_own(real_node, tmp_path_factory.mktemp("other-wallet"), [OTHER_MNEMONIC])
    wallet.start()
    try:
        yield wallet
    finally:
        wallet.stop()


@pytest.fixture(scope="module")
def new_real_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., RealNode]]:
    """Start a node for this module alone: `new_real_node(constants={...})`, any argument of RealNode but the folder."""
    with ExitStack() as stack:

        def begin(**options: Any) -> RealNode:
            node = RealNode(folder=tmp_path_factory.mktemp("own-node"), **options)
            stack.callback(node.stop)
            node.start()
            return node

        yield begin


@pytest.fixture(scope="session")
def issued(cast: Cast) -> Cast:
    """The same people, with every block of the register issued to the developer."""
    with cast.node.farming():
        cast.issue_all()
    return cast


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def cast(real_node: RealNode, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cast]:
    """The people of one registry, which is launched, with its register imported and nothing issued."""
    people = Cast(node=real_node, folder=tmp_path_factory.mktemp("cast"))
    try:
        await people.found()
        yield people
    finally:
        people.stop_all()
