"""The words that restore a key: checked before they are used, so that a typo is named and not turned into
another key.
"""

from __future__ import annotations

from difflib import get_close_matches

from chia.util.keychain import (
    bip39_word_list,
    bytes_from_mnemonic,
    generate_mnemonic,
    mnemonic_from_short_words,
)

from climate_wallet.errors import MnemonicError

WORD_COUNTS = (24, 12)
"""24 words as our wallet makes them; 12 as some hardware and older wallets do."""

SHORT_WORD = 4
"""The first four letters name a word of the list in one way only, so people may write those alone."""


def new_mnemonic() -> str:
    """24 new words, from 256 bits of the system's randomness."""
    return generate_mnemonic()


def check_mnemonic(text: str) -> str:
    """The words in full, lower case, one space apart; raises MnemonicError naming the first word that is
    wrong.
    """
    words = text.lower().split()
    if len(words) not in WORD_COUNTS:
        raise MnemonicError(
            f"a mnemonic has 24 words (or 12), these are {len(words)}: check that none is missing or doubled"
        )
    known = bip39_word_list().splitlines()
    accepted = {*known, *(word[:SHORT_WORD] for word in known)}
    for position, word in enumerate(words, start=1):
        if word not in accepted:
            nearest = get_close_matches(word, known, n=3, cutoff=0.6)
            advice = f"did you mean {' or '.join(nearest)}?" if nearest else "check it against your paper copy"
            raise MnemonicError(f"word {position}, {word!r}, is not in the list of mnemonic words: {advice}")
    full = mnemonic_from_short_words(" ".join(words))
    try:
        bytes_from_mnemonic(full)
    except ValueError as error:
        raise MnemonicError(
            "every word is in the list, but their checksum does not fit: "
            "a word was taken for another, or two stand in the wrong order"
        ) from error
    return full
