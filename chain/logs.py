"""What a daemon tells its log: lines for people, or JSON lines for machines, and never a secret.

Every library below us logs through Python's own `logging`, and so do we: a formatter is all that is needed
(python-json-logger for the JSON). The rule guarded here: whatever a line or a traceback carries, secrets are taken
out of it last, the ones we know (`Hidden.hide`) and the ones that look like one. And nobody who writes into a
message, a node or a stranger on chain, can forge a line of the log.
"""

from __future__ import annotations

import logging
import re
import sys
from datetime import UTC, datetime
from functools import cache
from typing import Any, ClassVar, Literal

from pydantic import Field
from pythonjsonlogger.json import JsonFormatter

from chain.config import Settings

HIDDEN = "[hidden]"

LONGEST_TEXT = 20_000
"""Most characters of one message or traceback."""

SHORTEST_SECRET = 8
"""Characters below which a known secret is not looked for: taking out every `1` would hide the log itself."""

_URL_PASSWORD = re.compile(r"(\b[\w+]{1,30}://[^\s/:@]*):[^\s/@]*@")
_NAMED = re.compile(
    r"(?i)\b([\w-]{0,30}?(?:passw(?:or)?d|passphrase|secret|token|api[-_]?key|mnemonic|private[-_]?key))"
    r"(['\"]?\s*[=:]\s*b?['\"]?)(?!0x)([^\s'\"&,;)}\]]{6,})"
)
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}")
_PRIVATE_KEY = re.compile(r"(?i)<PrivateKey\s+[0-9a-f]+>")
_WORDS = re.compile(r"\b[A-Za-z]{3,8}(?:[^A-Za-z]{1,8}[A-Za-z]{3,8}){11,}\b")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
_FEWEST_WORDS = 12


class LogSettings(Settings):
    """How much a daemon tells, and in which form; it tells it on stderr."""

    section: ClassVar[str] = "logs"

    level: Literal["debug", "info", "warning", "error"] = Field(default="info", validation_alias="CARBON_LOG_LEVEL")
    """The least that is told."""
    format: Literal["text", "json"] = Field(default="text", validation_alias="CARBON_LOG_FORMAT")
    """Lines for people, or one JSON object a line for a log collector."""


class Hidden:
    """What must not be told: secrets we hold, and whatever has the form of one."""

    def __init__(self) -> None:
        """Know no secret yet."""
        self._known: set[str] = set()

    def hide(self, *secrets: str | None) -> None:
        """Never tell these; what is absent or too short to be looked for is left out."""
        self._known |= {secret for secret in secrets if secret and len(secret) >= SHORTEST_SECRET}

    def clean(self, text: str) -> str:
        """The text without secrets."""
        for secret in self._known:
            text = text.replace(secret, HIDDEN)
        text = _WORDS.sub(_without_mnemonic, text)
        text = _URL_PASSWORD.sub(rf"\1:{HIDDEN}@", text)
        text = _BEARER.sub(rf"\1 {HIDDEN}", text)
        text = _NAMED.sub(rf"\1\2{HIDDEN}", text)
        return _PRIVATE_KEY.sub(HIDDEN, text)


@cache
def _bip39_words() -> frozenset[str]:
    from chia.util.keychain import bip39_word_list  # noqa: PLC0415 - slow to load, and seldom asked for

    return frozenset(bip39_word_list().split())


def _without_mnemonic(found: re.Match[str]) -> str:
    """The run of words, unless twelve of them on end are words of a mnemonic."""
    longest = now = 0
    for word in re.findall(r"[a-z]+", found[0].lower()):
        now = now + 1 if word in _bip39_words() else 0
        longest = max(longest, now)
    return HIDDEN if longest >= _FEWEST_WORDS else found[0]


def _on_one_line(text: str) -> str:
    """The text with what would end or overwrite a line shown as an escape."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


class TextLines(logging.Formatter):
    """One line for people; a traceback's lines are indented, so that none can pass for a line of its own."""

    def __init__(self, hidden: Hidden) -> None:
        """Leave out what is hidden."""
        super().__init__()
        self._hidden = hidden

    def format(self, record: logging.LogRecord) -> str:
        """The line, and the traceback below it."""
        message = _on_one_line(self._clean(record.getMessage()))
        lines = [f"{self.formatTime(record)} {record.levelname} {record.name}: {message}"]
        if record.exc_info:
            trace = self._clean(self.formatException(record.exc_info))
            lines += [f"    {_on_one_line(line)}" for line in trace.split("\n")]
        return "\n".join(lines)

    def _clean(self, text: str) -> str:
        return self._hidden.clean(_bounded(text))


class JsonLines(JsonFormatter):
    """One JSON object a line: timestamp (UTC), level, logger, program, message, and a traceback if there is one."""

    def __init__(self, hidden: Hidden, program: str) -> None:
        """Leave out what is hidden; every line names the program."""
        super().__init__(
            "%(levelname)s %(name)s %(message)s",
            rename_fields={"levelname": "level", "name": "logger", "exc_info": "traceback"},
            static_fields={"program": program},
            json_ensure_ascii=True,
        )
        self._hidden = hidden

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        """The line's fields, without secrets."""
        stamp = datetime.now(UTC).isoformat(timespec="milliseconds")
        return {"timestamp": stamp} | {key: self._clean(value) for key, value in log_data.items()}

    def _clean(self, value: object) -> object:
        if isinstance(value, bool | int | float | None):
            return value
        return self._hidden.clean(_bounded(str(value)))


def _bounded(text: str) -> str:
    """The text, its middle left out if it is longer than a line may be."""
    half = LONGEST_TEXT // 2
    return text if len(text) <= LONGEST_TEXT else f"{text[:half]} [...] {text[-half:]}"


def start_logs(program: str, settings: LogSettings) -> Hidden:
    """Send the log to stderr in the form that the settings ask for; tell the result which secrets to keep.

    To be called once, by whoever builds the program, before anything is logged.
    """
    hidden = Hidden()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(hidden, program) if settings.format == "json" else TextLines(hidden))
    logging.basicConfig(level=settings.level.upper(), handlers=[handler])
    logging.captureWarnings(True)
    logging.getLogger("alembic").setLevel(logging.WARNING)  # a schema brought up to date is no news
    return hidden
