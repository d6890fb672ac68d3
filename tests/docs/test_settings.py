"""The settings page names what the programs read: every variable, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from chain.fees import FeeSettings
from chain.logs import LogSettings
from chain.settings import NodeSettings, Settings
from climate_wallet.settings import WalletSettings
from climate_wallet.stock.settings import SignerSettings
from explorer.settings import ExplorerSettings
from tokenization_engine.settings import EngineSettings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "settings.md").read_text()
CLASSES: list[type[Settings]] = [
    NodeSettings,
    FeeSettings,
    LogSettings,
    WalletSettings,
    SignerSettings,
    EngineSettings,
    ExplorerSettings,
]


def variables(settings: type[Settings]) -> set[str]:
    """The environment variables that this class reads."""
    prefix = settings.model_config.get("env_prefix", "")
    fields = settings.model_fields.items()
    return {str(field.validation_alias or field.alias or f"{prefix}{name}".upper()) for name, field in fields}


def test_page_names_every_variable_and_no_other() -> None:
    read = set().union(*(variables(settings) for settings in CLASSES))
    named = set(re.findall(r"^\| `\w+` \| `(CARBON_\w+)` \|", PAGE, re.MULTILINE))
    assert named == read


def shown(default: object) -> str:
    """The default as the page shows it."""
    match default:
        case None | ():
            return "(none)"
        case "":
            return "(empty)"
        case _:
            return f"`{default}`"


@pytest.mark.parametrize("settings", CLASSES, ids=lambda each: each.__name__)
def test_page_names_each_key_with_its_default(settings: type[Settings]) -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(CARBON_\w+)` \| (\S+) \|", PAGE, re.MULTILINE)
    on_page = {variable: (key, default) for key, variable, default in rows}
    prefix = settings.model_config.get("env_prefix", "")
    for name, field in settings.model_fields.items():
        variable = str(field.validation_alias or field.alias or f"{prefix}{name}".upper())
        assert on_page[variable] == (name, shown(field.default)), variable


def test_page_shows_how_each_network_is_set() -> None:
    files = set(re.findall(r"\]\(\.\./(deploy/config/[\w.]+)\)", PAGE))
    assert files == {str(path.relative_to(ROOT)) for path in (ROOT / "deploy" / "config").glob("*.yaml")}
    for text in re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[1].split("---\n"):  # type: ignore[index]
        NodeSettings(**yaml.safe_load(text)["node"])


def test_page_has_a_section_for_each_program() -> None:
    assert set(re.findall(r"section `(\w+)`", PAGE)) == {settings.section for settings in CLASSES}
