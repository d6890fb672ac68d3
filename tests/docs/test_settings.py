"""The settings page names what the programs read: every variable, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from chain.fees import FeeSettings
from chain.logs import LogSettings
from chain.settings import NodeSettings, Settings
from climate_wallet.settings import WalletSettings
from climate_wallet.stock.settings import SignerSettings
from explorer.settings import ExplorerSettings
from tokenization_engine.settings import EngineSettings

PAGE = (Path(__file__).parents[2] / "docs" / "settings.md").read_text()
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


def test_page_has_a_section_for_each_program() -> None:
    assert set(re.findall(r"section `(\w+)`", PAGE)) == {settings.section for settings in CLASSES}
