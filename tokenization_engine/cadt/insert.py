"""Adding CADT's new records a page at a time: those that the checks refuse stay out, the others come in together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tokenization_engine.cadt.pulled import COMMENT, PULL, Pulled
from tokenization_engine.cadt.shapes import CadtUnit
from tokenization_engine.errors import Problem, RecordInvalid
from tokenization_engine.register.audit import Trail
from tokenization_engine.register.intake import Intake, TooManyProblems
from tokenization_engine.register.store import Register

Records = Mapping[str, Mapping[str, Any]]
_Add = Callable[[Intake, str, Mapping[str, Any]], None]


class _Refused(Exception):  # not an error: it undoes what a page with problems wrote
    """The page holds records that are refused."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__()
        self.problems = problems


def insert_projects(register: Register, author: str, records: Records, done: Pulled) -> int:
    """Add the projects by id; how many came in."""
    taken, refused = _insert(register, author, records, lambda intake, place, one: intake.add_project(one, place))
    for project_id, problems in refused.items():
        done.refuse(f"project {project_id}", RecordInvalid(problems))
    return len(taken)


def insert_units(
    register: Register, author: str, records: Records, done: Pulled, units: Mapping[str, CadtUnit]
) -> list[str]:
    """Add the units by id; the ids of those that came in."""
    taken, refused = _insert(register, author, records, lambda intake, place, one: intake.add_unit(one, place))
    for unit_id, problems in refused.items():
        done.refuse(f"unit {unit_id}", RecordInvalid(problems), block=units[unit_id].block)
    return taken


def _insert(register: Register, author: str, records: Records, add: _Add) -> tuple[list[str], dict[str, list[Problem]]]:
    """The ids that came in, and the problems of the others: each round leaves out the records that are to blame."""
    left = dict(records)
    refused: dict[str, list[Problem]] = {}
    while left:
        try:
            with register.writing(author, comment=COMMENT) as session:
                intake = Intake(session)
                with Trail.of(session).doing(PULL):
                    try:
                        for record_id, record in left.items():
                            add(intake, record_id, record)
                        intake.finish()
                    except TooManyProblems:
                        pass  # they are told below
                if intake.problems:
                    raise _Refused(intake.problems)
            return list(left), refused
        except _Refused as found:
            blamed = _blamed(found.problems, left)
            for record_id, problems in blamed.items():
                refused[record_id] = problems
                del left[record_id]
    return [], refused


def _blamed(problems: list[Problem], left: Records) -> dict[str, list[Problem]]:
    """The problems by record; where one names none of them, all are to blame."""
    blamed: dict[str, list[Problem]] = {}
    for problem in problems:
        record_id = problem.record.partition(".")[0]
        if record_id not in left:
            return dict.fromkeys(left, problems)
        blamed.setdefault(record_id, []).append(problem)
    return blamed
