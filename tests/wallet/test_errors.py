"""The wallet's errors: drawn, defined and given a status and an exit code, all three alike."""

from __future__ import annotations

import re

import pytest

from chain import errors as chain_errors
from chain.serve import status_of
from climate_wallet import errors
from climate_wallet.api import STATUSES
from climate_wallet.errors import DaemonDown, DaemonRefused, WalletError
from climate_wallet.exits import EXIT_CODES, FAULT, INPUT, KEYS, REFUSED, UNREACHABLE, exit_code_of

DEFINED = {
    name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, WalletError)
}


def test_drawing_names_every_error_and_no_other() -> None:
    drawn = re.findall(r"^(?:\|-- |`-- )?([A-Z]\w+)", errors.__doc__ or "", re.MULTILINE)
    assert sorted(set(drawn) & set(DEFINED)) == sorted(DEFINED)
    assert {name for name in drawn if name.endswith(("Error", "Down", "Refused")) and name not in DEFINED} <= {"Errors"}


@pytest.mark.parametrize("name", sorted(DEFINED))
def test_every_error_has_a_status_and_an_exit_code(name: str) -> None:
    kind = DEFINED[name]
    assert next((EXIT_CODES[each] for each in kind.__mro__ if each in EXIT_CODES), None) is not None
    if kind not in {DaemonDown, DaemonRefused}:  # these two arise in the command line
        assert status_of(kind.__new__(kind), STATUSES) is not None


@pytest.mark.parametrize("kind", [kind for kind in STATUSES if kind.__module__ == "climate_wallet.errors"])
def test_table_names_only_errors_that_exist(kind: type[Exception]) -> None:
    assert kind in DEFINED.values()


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("AmountError", INPUT),
        ("AddressError", INPUT),
        ("NotEnoughUnits", REFUSED),
        ("MempoolConflict", REFUSED),
        ("NodeNotSynced", UNREACHABLE),
        ("WalletLocked", KEYS),
        ("HTTPUnauthorized", KEYS),
        ("NoSuchError", FAULT),
        ("annotations", FAULT),
    ],
)
def test_error_named_by_the_daemon_leaves_with_its_own_exit_code(name: str, code: int) -> None:
    assert exit_code_of(name) == code


def test_chains_errors_have_a_status_too() -> None:
    for kind in vars(chain_errors).values():
        if isinstance(kind, type) and issubclass(kind, chain_errors.ChainError):
            assert status_of(kind.__new__(kind), STATUSES) is not None
