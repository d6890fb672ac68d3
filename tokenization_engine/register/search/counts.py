"""Comparing, adding and ordering records by their number of units, on the binary digits that the search index keeps.

The index has a set of records for each binary digit of their counts. A comparison, a sum or a place in the order is
then a few dozen set operations, whatever the number of records.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyroaring import BitMap

from tokenization_engine.register.listing.comparing import Op
from tokenization_engine.register.search.read import Sets
from tokenization_engine.register.search.terms import EVERY, count_term

DIGITS = 63
COUNT_TERMS = (*(count_term(digit) for digit in range(DIGITS)), EVERY)
"""What must be read of the index for the functions here."""
_FEW = 500


def total_of(read: Sets, numbers: BitMap) -> int:
    """How many units the records of these numbers hold together."""
    digits = [(digit, read[count_term(digit)]) for digit in range(DIGITS) if count_term(digit) in read]
    if numbers is read[EVERY]:
        return sum(len(bits) << digit for digit, bits in digits)
    return sum(numbers.intersection_cardinality(bits) << digit for digit, bits in digits)


def compared_counts(read: Sets, op: Op, values: Sequence[int]) -> BitMap:
    """The records whose count fits; `like` is not among the comparisons."""
    every = read[EVERY]
    match op:
        case Op.LT:
            return _below(read, every, values[0])
        case Op.LTE:
            return _below(read, every, values[0] + 1)
        case Op.GT:
            return every - _below(read, every, values[0] + 1)
        case Op.GTE:
            return every - _below(read, every, values[0])
    found = BitMap()
    for value in values:
        found |= _below(read, every, value + 1) - _below(read, every, value)
    return every - found if op is Op.NOT else found


def by_count(read: Sets, numbers: BitMap, offset: int, limit: int) -> list[int]:
    """The numbers from the `offset`-th on in the order of counts, the smallest first, then of numbers."""
    highest = max((digit for digit in range(DIGITS) if count_term(digit) in read), default=-1)
    return _by_digit(read, numbers, offset, limit, highest)


def _by_digit(read: Sets, numbers: BitMap, offset: int, limit: int, digit: int) -> list[int]:
    if digit < 0:
        return list(numbers[offset : offset + limit])
    if len(numbers) <= _FEW:
        digits = [(1 << one, read[count_term(one)]) for one in range(digit + 1)]
        return sorted(numbers, key=lambda number: sum(worth for worth, bits in digits if number in bits))[
            offset : offset + limit
        ]
    ones = numbers & read[count_term(digit)]
    zeros = numbers - ones
    page = _by_digit(read, zeros, offset, limit, digit - 1) if offset < len(zeros) else []
    if len(page) < limit and ones:
        page += _by_digit(read, ones, max(0, offset - len(zeros)), limit - len(page), digit - 1)
    return page


def _below(read: Sets, every: BitMap, bound: int) -> BitMap:
    """The records with a smaller count than `bound`."""
    if bound <= 0:
        return BitMap()
    if bound.bit_length() > DIGITS:
        return every
    found, equal = BitMap(), every
    for digit in reversed(range(DIGITS)):
        bits = read[count_term(digit)]
        if bound >> digit & 1:
            found |= equal - bits
            equal = equal & bits
        else:
            equal = equal - bits
    return found
