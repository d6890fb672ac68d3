"""How every program reads its settings.

A value comes from the first place that has it: flag, environment (CARBON_...), YAML file (CARBON_CONFIG,
else ./carbon.yaml), default. A file or value that does not read stops
the program with one sentence that says where. Light on purpose: every command reads settings, few know a network.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar, cast

import yaml
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableEnvironment

from chain.errors import SettingsError

CONFIG_VARIABLE = "CARBON_CONFIG"
DEFAULT_CONFIG_FILE = Path("carbon.yaml")
SECTIONS = ("node", "fees", "logs", "wallet", "signer", "engine", "explorer")
"""The sections that some program reads."""

T = TypeVar("T", bound="Settings")


class Settings(BaseSettings):
    """Base of every program's settings: one section of the YAML file, one prefix in the environment.

    A subclass names its `section` and sets `env_prefix` in its `model_config`; read it with `load_settings`.
    """

    model_config = SettingsConfigDict(
        env_prefix="CARBON_", extra="forbid", frozen=True, populate_by_name=True, env_ignore_empty=True
    )
    section: ClassVar[str] = ""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, then environment, then the section of the YAML file."""
        return init_settings, env_settings, _YamlSection(settings_cls, cls.section)


def load_settings(settings_class: type[T], **flags: object) -> T:
    """The program's settings; a flag that is None counts as not given. Raises SettingsError."""
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        return settings_class(**cast("dict[str, Any]", given))
    except ValidationError as error:
        raise SettingsError(_sentence(settings_class, error, given)) from None
    except UnreadableEnvironment as error:
        found = re.search(r'field "(\w+)"', str(error))
        place = _variable(settings_class, found[1]) if found else str(error)
        raise SettingsError(f'the environment variable {place}: expected a JSON list, such as ["one", "two"]') from None


def _variable(settings_class: type[Settings], name: str) -> str:
    """The environment variable of a setting."""
    field = settings_class.model_fields.get(name)
    return (field.alias if field and field.alias else f"{settings_class.model_config['env_prefix']}{name}").upper()


def resolved(home: Path) -> Path:
    """The directory with ~ resolved; raises SettingsError for the home of a user that is not there."""
    try:
        return home.expanduser()
    except RuntimeError as error:
        raise SettingsError(f"the directory {home} cannot be found: no such user has a home here") from error


def _sentence(settings_class: type[Settings], error: ValidationError, flags: Mapping[str, object]) -> str:
    """The first thing wrong, with the place it came from."""
    first = error.errors()[0]
    reason = str(first["msg"]).removeprefix("Value error, ")
    if not first["loc"]:
        return reason
    key = str(first["loc"][0])
    name = next(
        (name for name, field in settings_class.model_fields.items() if key in {name, field.validation_alias}), key
    )
    variable = _variable(settings_class, name)
    if name in flags:
        place = f"the flag --{name.replace('_', '-')}"
    elif os.environ.get(variable):
        place = f"the environment variable {variable}"
    else:
        place = f"{config_file()}, line {_lines(settings_class.section).get(name, 1)}, key {name!r}"
    if first["type"] == "extra_forbidden":
        return f"{place}: unknown, expected one of {', '.join(settings_class.model_fields)}"
    return f"{place}: {reason[0].lower()}{reason[1:]}, but {first['input']!r} came"


def config_file() -> Path:
    """The YAML file that is read: CARBON_CONFIG, else ./carbon.yaml."""
    return Path(os.environ.get(CONFIG_VARIABLE) or DEFAULT_CONFIG_FILE)


def _read_config() -> yaml.MappingNode | None:
    """The file's top mapping with line numbers, or None without a file; raises SettingsError."""
    path = config_file()
    if not path.exists() and not os.environ.get(CONFIG_VARIABLE):
        return None
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be read: {error.strerror or error}; name a file in {CONFIG_VARIABLE}"
        ) from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is not UTF-8 text (byte {error.start}): save it as UTF-8") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise SettingsError(f"{path}, line {line}: not readable as YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise SettingsError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise SettingsError(f"{path}: nested too deeply: expected sections of 'key: value' lines") from None
    if node is None:
        return None
    if not isinstance(node, yaml.MappingNode):
        raise SettingsError(f"{path}, line {node.start_mark.line + 1}: expected sections such as 'node:', not a list")
    for key, _ in node.value:
        if key.value not in SECTIONS:
            raise SettingsError(
                f"{path}, line {key.start_mark.line + 1}: the section {str(key.value)!r} is unknown, expected one of "
                f"{', '.join(SECTIONS)}"
            )
    return node


def _section(section: str) -> yaml.MappingNode | None:
    """One section of the file, or None; raises SettingsError unless it is a mapping, given once."""
    top = _read_config()
    found = [value for key, value in (top.value if top else []) if key.value == section]
    if len(found) > 1:
        raise SettingsError(f"{config_file()}, line {found[1].start_mark.line}: the section {section!r} came twice")
    if not found or found[0].tag == "tag:yaml.org,2002:null":
        return None
    if not isinstance(found[0], yaml.MappingNode):
        line = found[0].start_mark.line + 1
        raise SettingsError(f"{config_file()}, line {line}: the section {section!r} must hold 'key: value' lines")
    return found[0]


def _lines(section: str) -> dict[str, int]:
    """Line number of each key of the section."""
    node = _section(section)
    return {str(key.value): key.start_mark.line + 1 for key, _ in node.value} if node else {}


class _YamlSection(PydanticBaseSettingsSource):
    """The values of one section of the YAML file."""

    def __init__(self, settings_class: type[BaseSettings], section: str) -> None:
        super().__init__(settings_class)
        self.section = section

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Unused: the section is read whole."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Key and value of each line, under the name the settings class reads first."""
        node = _section(self.section)
        if node is None:
            return {}
        try:
            values = yaml.SafeLoader("").construct_mapping(node, deep=True)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else node.start_mark.line + 1
            raise SettingsError(f"{config_file()}, line {line}: {error.problem}") from None
        except (ValueError, TypeError, LookupError, AttributeError) as error:  # such as a date with a 13th month
            line = node.start_mark.line + 1
            raise SettingsError(
                f"{config_file()}, in the section {self.section!r} from line {line}: a value does not read ({error})"
            ) from None
        fields = self.settings_cls.model_fields
        return {
            str(fields[key].validation_alias or key) if key in fields else str(key): value
            for key, value in values.items()
        }
