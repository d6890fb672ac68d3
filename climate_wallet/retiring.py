"""What a retirement puts on chain, whoever signs it: the record with its commitments, the receipt, the TAIL's solution.

The rule guarded here: what opens a private field is in the journal before anything is pushed, and a salt is never
used twice.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from chia.types.blockchain_format.program import Program
from chia_rs import Coin, CoinSpend

from chain.json_values import to_hex
from climate_wallet.errors import AmountError
from climate_wallet.registries import TokenInfo
from puzzles.errors import RecordError, UnitsError
from puzzles.fields import PrivateField, canonical_text
from puzzles.retirement import receipt_coin, seal, write_record
from puzzles.unit_block_tail import delta_of, retire_solution
from puzzles.units import CoinId, Mojos, mojos_to_units

Salts = Callable[[str, str], bytes]
"""The salt of a private field, by its key and value: 32 bytes that stand for nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retiring:
    """A retirement out of one token coin, its lead."""

    token: TokenInfo
    units: int
    record: Program
    public: Mapping[str, str]
    committed: tuple[PrivateField, ...]
    receipt: Coin

    @property
    def amount(self) -> Mojos:
        """Mojos of the token that are burnt."""
        return Mojos(-self.delta)

    @property
    def delta(self) -> int:
        """The extra delta of the lead, negative mojos."""
        return delta_of(self.units)

    @property
    def receipt_id(self) -> CoinId:
        """The receipt's coin id."""
        return CoinId(bytes(self.receipt.name()))

    @property
    def solution(self) -> Program:
        """The TAIL's solution."""
        return retire_solution(self.units, self.record)

    @property
    def seal(self) -> CoinSpend:
        """The spend of the receipt."""
        return seal(self.receipt, self.delta, self.record)

    @property
    def details(self) -> dict[str, object]:
        """What the journal keeps."""
        return {
            "asset_id": to_hex(self.token.asset_id),
            "amount": int(self.amount),
            "receipt_id": to_hex(self.receipt_id),
            "record": dict(self.public),
            "private": [{"key": each.key, "value": each.value, "salt": to_hex(each.salt)} for each in self.committed],
        }


def retiring(
    token: TokenInfo, lead: CoinId, units: int, record: Mapping[str, str], *, private: Collection[str], salts: Salts
) -> Retiring:
    """The retirement of these units out of the lead; raises RecordError for a record that cannot be written."""
    hidden = {key: canonical_text(record[key]) for key in record if key in private}
    committed = tuple(PrivateField(key=key, value=value, salt=salts(key, value)) for key, value in hidden.items())
    public = {key: canonical_text(record[key]) for key in record if key not in private}
    written = write_record(public, committed)
    receipt = receipt_coin(lead, delta_of(units), written)
    return Retiring(token=token, units=units, record=written, public=public, committed=committed, receipt=receipt)


def units_to_retire(amount: Mojos) -> int:
    """The whole units of an amount in mojos, at least one; raises AmountError."""
    try:
        units = mojos_to_units(amount)
    except UnitsError as error:
        raise AmountError(str(error)) from error
    if units < 1:
        raise AmountError(f"{units} units cannot be retired: expected a whole number from 1 up")
    return units


def check_private(record: Mapping[str, str], private: Collection[str]) -> None:
    """Raise RecordError unless each private field has a value."""
    absent = [key for key in private if key not in record]
    if absent:
        raise RecordError(f"the field {absent[0]} is to be private but has no value: give it one")
