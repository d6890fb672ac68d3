"""The log never tells a secret, in a message, a traceback or a URL, and nobody can forge a line of it."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator

import pytest

from chain.logs import HIDDEN, LONGEST_TEXT, Hidden, JsonLines, LogSettings, TextLines, start_logs
from climate_wallet.mnemonic import new_mnemonic

FORMS = ("text", "json")
WORDS = " ".join(["abandon"] * 11 + ["about"])
SECRETS = [
    ("postgresql://engine:s3cr3t-pw@db.example/register", "s3cr3t-pw"),
    ("postgresql+psycopg://engine:s3cr3t-pw@db.example/register", "s3cr3t-pw"),
    ("https://node.example/?api_key=k1234567&x=1", "k1234567"),
    ("Authorization: Bearer abcDEF.123-456", "abcDEF.123-456"),
    ("{'X-Api-Key': 'key-of-a-caller'}", "key-of-a-caller"),
    ('{"passphrase": "correct-horse"}', "correct-horse"),
    ("Unlock(passphrase='correct-horse')", "correct-horse"),
    ("token=abcdefghijklmnopqrstuvwxyz", "abcdefghijklmnopqrstuvwxyz"),
    ("PGPASSWORD=hunter22", "hunter22"),
    (f"mnemonic: {WORDS}", "abandon"),
    (", ".join(f"{number}. {word}" for number, word in enumerate(WORDS.split(), 1)), "abandon"),
    (WORDS.upper(), "ABANDON"),
    (f"['{WORDS.replace(' ', chr(39) + ', ' + chr(39))}']", "abandon"),
    ("<PrivateKey 5a3f00aa>", "5a3f00aa"),
    ("the door's own token is known-secret-of-ours.", "known-secret-of-ours"),
]


@pytest.fixture(params=FORMS)
def told(request: pytest.FixtureRequest) -> Iterator[Callable[[Callable[[logging.Logger], None]], str]]:
    """A function that gives what stands in the log, of either form, after something was logged."""
    hidden = Hidden()
    hidden.hide("known-secret-of-ours", None, "", "short")
    formatter = TextLines(hidden) if request.param == "text" else JsonLines(hidden, "climate-wallet")
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(formatter)
    log = logging.getLogger(f"tests.logs.{request.param}")
    log.propagate = False
    log.setLevel(logging.INFO)
    log.addHandler(handler)

    def tell(say: Callable[[logging.Logger], None]) -> str:
        say(log)
        return out.getvalue()

    yield tell
    log.removeHandler(handler)


Told = Callable[[Callable[[logging.Logger], None]], str]


@pytest.mark.parametrize(("text", "secret"), SECRETS)
def test_log_hides_a_secret_in_a_message_and_in_a_traceback(told: Told, text: str, secret: str) -> None:
    def fail(log: logging.Logger) -> None:
        log.warning("refused %s", text)
        try:
            raise ValueError(text) from KeyError(text)
        except ValueError:
            log.exception("unexpected failure in %s", text)

    line = told(fail)
    assert HIDDEN in line
    assert secret not in line.replace("X-Api-Key", "").replace("passphrase", "")


def test_new_words_never_stand_in_the_log(told: Told) -> None:
    words = new_mnemonic()
    line = told(lambda log: log.error("made %s today", words))
    assert HIDDEN in line
    assert sum(word in line for word in words.split()) < 4


@pytest.mark.parametrize(
    "text",
    [
        "the node at http://127.0.0.1:31315 is not synced (block 7): wait until it is",
        "the token: 0x" + "ab" * 32 + " was issued",
        "token=0x" + "ab" * 32,
        "no node answers at http://node:8555 (Connection refused)",
        "the registry shows its owners by their hash only and nobody told the engine who they are so it waits here",
    ],
)
def test_log_leaves_what_is_no_secret(told: Told, text: str) -> None:
    assert text in told(lambda log: log.info("%s", text))


def test_stranger_cannot_forge_a_line(told: Told) -> None:
    evil = "a name\n2026-01-01 00:00:00,000 INFO all is well\r\x1b[2J\u2028{}"

    def fail(log: logging.Logger) -> None:
        log.warning("%s", evil)
        try:
            raise ValueError(evil)
        except ValueError:
            log.exception("oh")

    lines = told(fail).splitlines()
    assert not [line for line in lines if line.startswith("2026-01-01")]
    assert not [line for line in lines if "\x1b" in line or "\r" in line]


def test_huge_message_is_cut_short(told: Told) -> None:
    assert len(told(lambda log: log.info("%s", "x" * 10 * LONGEST_TEXT))) < 2 * LONGEST_TEXT


@pytest.mark.parametrize("text", ["a-", "a", "abcd ", "a://", "bearer ", "token", "=", "abandon "])
def test_hostile_text_is_cleaned_in_a_moment(text: str) -> None:
    assert isinstance(
        Hidden().clean(text * (LONGEST_TEXT // len(text))), str
    )  # a pattern that backtracks would meet pytest's timeout


def test_json_line_is_one_object_with_its_fields() -> None:
    record = logging.LogRecord("chain.serve", logging.INFO, "x.py", 1, "listens on %s", ("url",), None)
    line = JsonLines(Hidden(), "climate-wallet").format(record)
    value = json.loads(line)
    assert value.pop("timestamp").endswith("+00:00")
    assert value == {
        "level": "INFO",
        "logger": "chain.serve",
        "message": "listens on url",
        "program": "climate-wallet",
    }


def test_settings_choose_level_and_form(monkeypatch: pytest.MonkeyPatch) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    start_logs("climate-explorer", LogSettings(level="error", format="json"))
    (handler,) = root.handlers
    assert isinstance(handler.formatter, JsonLines)
    assert root.level == logging.ERROR
    logging.captureWarnings(False)
