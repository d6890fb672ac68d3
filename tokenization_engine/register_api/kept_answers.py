"""Answers that stay in memory while the register is as it was: the first page of a list is asked again and again."""

from __future__ import annotations

from collections import OrderedDict

from tokenization_engine.register.search.kept import State

MOST_BYTES = 32 * 2**20
"""Of all the answers kept."""
_LARGEST = 2**20
"""Of one of them: a whole list would push everything else out."""


class KeptAnswers:
    """Answers by the question they are to, all of one state of the register; for one thread."""

    def __init__(self, *, most_bytes: int = MOST_BYTES) -> None:
        """Keep none yet."""
        self._most_bytes = most_bytes
        self._state: State | None = None
        self._answers: OrderedDict[bytes, bytes] = OrderedDict()
        self._bytes = 0

    def held(self, state: State, question: bytes) -> bytes | None:
        """The answer to the question, if it is kept for that state."""
        if self._state != state or question not in self._answers:
            return None
        self._answers.move_to_end(question)
        return self._answers[question]

    def keep(self, state: State, question: bytes, answer: bytes) -> None:
        """Keep it in the place of what was not asked for the longest; another state lets go of everything before."""
        if self._state != state:
            self._state, self._bytes = state, 0
            self._answers.clear()
        if len(answer) > _LARGEST or question in self._answers:
            return
        self._answers[question] = answer
        self._bytes += len(question) + len(answer)
        while self._bytes > self._most_bytes:
            gone, body = self._answers.popitem(last=False)
            self._bytes -= len(gone) + len(body)
