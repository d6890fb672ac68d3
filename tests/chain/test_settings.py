"""Settings come from flag, environment, file, default, in this order; what does not read is said in one sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import Field

from chain.config import SECTIONS, Settings, resolved
from chain.errors import SettingsError
from chain.fees import FeeSettings
from chain.logs import LogSettings
from chain.settings import NodeSettings, load_settings
from climate_wallet.settings import WalletSettings
from climate_wallet.stock.settings import SignerSettings
from explorer.settings import ExplorerSettings
from tokenization_engine.settings import EngineSettings

WriteConfig = Callable[[str], Path]


@pytest.fixture
def write_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WriteConfig:
    """A function that writes the file the settings are read from; nothing else is set."""
    for name in ("CARBON_NODE_URL", "CARBON_NETWORK", "CARBON_CHIA_ROOT", "CARBON_REQUEST_TIMEOUT"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "carbon.yaml"
    monkeypatch.setenv("CARBON_CONFIG", str(path))

    def write(text: str) -> Path:
        path.write_text(text)
        return path

    return write


def test_flag_wins_over_environment_over_file_over_default(
    write_config: WriteConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_config("")
    assert load_settings(NodeSettings, url=None).url == "http://127.0.0.1:31315"
    write_config("node:\n  url: http://file:1\n")
    assert load_settings(NodeSettings).url == "http://file:1"
    monkeypatch.setenv("CARBON_NODE_URL", "http://environment:1")
    assert load_settings(NodeSettings).url == "http://environment:1"
    assert load_settings(NodeSettings, url="http://flag:1").url == "http://flag:1"


def test_own_node_has_the_usual_port(write_config: WriteConfig) -> None:
    write_config("node: {network: mainnet}\n")
    assert load_settings(NodeSettings).url == "https://127.0.0.1:8555"


def test_every_section_that_a_program_reads_is_known() -> None:
    read: list[type[Settings]] = [FeeSettings, NodeSettings, LogSettings, WalletSettings, SignerSettings]
    read += [EngineSettings, ExplorerSettings]
    assert {each.section for each in read} == set(SECTIONS)


def test_section_of_another_program_is_left_alone(write_config: WriteConfig) -> None:
    write_config("wallet:\n  colour: green\n")
    assert load_settings(NodeSettings).network == "simulator0"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("node:\n  url: x\n  network: mainet\n", "line 3, key 'network'"),
        ("node:\n  netwrk: mainnet\n", "line 2, key 'netwrk': unknown, expected one of network, url"),
        ("node:\n  request_timeout: soon\n", "line 2, key 'request_timeout': input should be a valid number"),
        ("node:\n  request_timeout: 0\n", "line 2, key 'request_timeout'"),
        ("node:\n  - url\n", "the section 'node' must hold"),
        ("node: {}\nnode: {}\n", "came twice"),
        ("- node\n", "line 1: expected sections"),
        ("node: {}\nnod:\n  network: mainnet\n", "line 2: the section 'nod' is unknown, expected one of node, fees"),
        ("node: [\n", "line 2"),
        ("node: \x00\n", "carbon.yaml"),
        ("node: " + "[" * 5000, "nested too deeply"),
        ("node:\n  request_timeout: 2026-13-45\n", "in the section 'node' from line 2: a value does not read"),
        ("node:\n  request_timeout: !!int x\n", "in the section 'node' from line 2: a value does not read"),
        ("node:\n  url: ftp://x\n", "the node's URL 'ftp://x' does not read"),
        ("node:\n  url: http://x:99999\n", "the node's URL 'http://x:99999' does not read"),
        ("node:\n  url: http://x:0\n", "the node's URL 'http://x:0' does not read"),
        ("node:\n  url: 'http://[::1'\n", "the node's URL 'http://[::1' does not read"),
        ("node:\n  network: mainnet\n  url: http://far.example:1\n", "not encrypted"),
    ],
)
def test_broken_file_is_refused_with_its_place(write_config: WriteConfig, text: str, sentence: str) -> None:
    write_config(text)
    with pytest.raises(SettingsError) as caught:
        load_settings(NodeSettings)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file_is_refused_when_it_was_named(write_config: WriteConfig) -> None:
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        load_settings(NodeSettings)


def test_file_that_is_no_text_is_refused(write_config: WriteConfig) -> None:
    write_config("").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(SettingsError, match="not UTF-8"):
        load_settings(NodeSettings)


def test_bad_flag_and_bad_variable_are_named(write_config: WriteConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    write_config("")
    with pytest.raises(SettingsError, match="the flag --network"):
        load_settings(NodeSettings, network="moonnet")
    monkeypatch.setenv("CARBON_NETWORK", "moonnet")
    with pytest.raises(SettingsError, match="the environment variable CARBON_NETWORK"):
        load_settings(NodeSettings)


def test_list_in_the_environment_that_does_not_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Doors(Settings):
        host_names: tuple[str, ...] = Field((), alias="CARBON_SOME_HOST_NAMES")

    monkeypatch.setenv("CARBON_SOME_HOST_NAMES", "registry.example")
    with pytest.raises(SettingsError, match="variable CARBON_SOME_HOST_NAMES: expected a JSON list"):
        load_settings(Doors)
    monkeypatch.setenv("CARBON_SOME_HOST_NAMES", '["registry.example"]')
    assert load_settings(Doors).host_names == ("registry.example",)


def test_home_of_nobody_is_refused() -> None:
    with pytest.raises(SettingsError, match="no such user"):
        resolved(Path("~no-such-user/wallet"))


def test_own_node_and_public_endpoint_are_not_mixed(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="chia_root is for a node of your own and ca_file for a public endpoint"):
        load_settings(NodeSettings, url="https://localhost:1", chia_root=tmp_path, ca_file=tmp_path / "ca.pem")
