"""The register as a file: XLSX with a sheet for each kind of record, JSON, or CSV of projects or units.

Records pass by one after the other, so a register of any size is written in little memory. The file is made beside its
place and moved there at the end: nobody finds half of one.
"""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

from sqlalchemy.orm import Session

from tokenization_engine.errors import ExportFailed
from tokenization_engine.register.csv_cells import guarded_cell
from tokenization_engine.register.model import PROJECT_CHILDREN, Project, Unit
from tokenization_engine.register.records import parts_of
from tokenization_engine.sheets.rows import (
    Chosen,
    part_values,
    projects,
    projects_of,
    unit_values,
    units,
    units_of,
    values,
)
from tokenization_engine.sheets.shape import ISSUANCES, LABEL_UNITS, LABELS, PROJECTS, SHEETS, UNITS
from tokenization_engine.sheets.writer import SheetWriter, Writer, opened_writer

_TICK = 500
Progress = Callable[[int], None]


class Format(StrEnum):
    """What is written."""

    XLSX = "xlsx"
    JSON = "json"
    CSV = "csv"


class Only(StrEnum):
    """One of a server's two exports, where not both are wanted in one file."""

    PROJECTS = "projects"
    UNITS = "units"


@dataclass(slots=True, kw_only=True)
class Exported:
    """How many records were written."""

    projects: int = 0
    units: int = 0


def export_file(
    session: Session,
    path: Path,
    kind: Format,
    *,
    chosen: Chosen,
    only: Only | None = None,
    progress: Progress = lambda _: None,
) -> Exported:
    """Write the chosen records to `path`; raises ExportFailed, and NotInRegister for a project that is not there.

    `progress` is told the records written so far.
    """
    done = _Done(progress=progress)
    if kind is Format.XLSX:
        with opened_writer(path) as writer:
            _write_workbook(
                writer,
                () if only is Only.UNITS else projects(session, chosen),
                () if only is Only.PROJECTS else units(session, chosen),
                _Shape(only=only, is_whole=chosen.is_whole),
                done,
            )
    elif kind is Format.JSON:
        with _opened(path) as out:
            _write_json(session, out, chosen, only, done)
    elif only is None:
        raise ExportFailed("a CSV file holds one table: name it with --only projects or --only units")
    else:
        with _opened(path) as out:
            _write_csv(session, out, chosen, only, done)
    return done.exported


@dataclass(slots=True, kw_only=True)
class _Done:
    progress: Progress
    exported: Exported = field(default_factory=Exported)

    def count(self, record: Project | Unit) -> None:
        if isinstance(record, Project):
            self.exported.projects += 1
        else:
            self.exported.units += 1
        total = self.exported.projects + self.exported.units
        if total % _TICK == 0:
            self.progress(total)


@dataclass(slots=True, kw_only=True)
class _Sheets:
    """The workbook's sheets, each made with its first row, as a server leaves empty ones out."""

    writer: Writer
    is_whole: bool
    _open: dict[str, tuple[SheetWriter, tuple[str, ...]]] = field(default_factory=dict)

    def add(self, name: str, row: dict[str, Any]) -> None:
        if name not in self._open:
            columns = _columns(name, is_whole=self.is_whole)
            sheet = self.writer.sheet(name)
            sheet.header(columns)
            self._open[name] = (sheet, columns)
        sheet, columns = self._open[name]
        sheet.row([row.get(column) for column in columns])


def _columns(name: str, *, is_whole: bool) -> tuple[str, ...]:
    sheet = SHEETS[name]
    if name == LABEL_UNITS:
        return (Unit.id_name, "labelId", "labelunitId")
    fields = [one.name for one in sheet.fields.values() if is_whole or not one.is_ours]
    if name == PROJECTS:
        return (Project.id_name, *fields)
    if name == UNITS:
        return (Unit.id_name, "issuanceId", "projectLocationId", "serialNumberBlock", *fields)
    association = "unitId" if name in (ISSUANCES, LABELS) else None
    return ("id", "warehouseProjectId", *fields, "projectId", *([association] if association else []))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    only: Only | None
    is_whole: bool


def export_found(session: Session, path: Path, only: Only, ids: Sequence[str]) -> Exported:
    """Write the projects, or units, of these ids to an XLSX file in their order, as one of a server's two exports."""
    done = _Done(progress=lambda _: None)
    with opened_writer(path) as writer:
        found_projects = projects_of(session, ids) if only is Only.PROJECTS else ()
        found_units = units_of(session, ids) if only is Only.UNITS else ()
        _write_workbook(writer, found_projects, found_units, _Shape(only=only, is_whole=False), done)
    return done.exported


def _write_workbook(
    writer: Writer, projects: Iterable[Project], units: Iterable[Unit], shape: _Shape, done: _Done
) -> None:
    is_whole = shape.is_whole
    sheets = _Sheets(writer=writer, is_whole=is_whole)
    for project in projects:
        sheets.add(PROJECTS, values(project, is_whole=is_whole))
        for name in PROJECT_CHILDREN:
            for part in parts_of(project, name):
                sheets.add(name, {**part_values(part, is_whole=is_whole), "projectId": project.id})
        done.count(project)
    for unit in units:
        _write_unit(sheets, unit, shape)
        done.count(unit)
    if done.exported == Exported():
        first = UNITS if shape.only is Only.UNITS else PROJECTS
        writer.sheet(first).header(_columns(first, is_whole=is_whole))


def _write_unit(sheets: _Sheets, unit: Unit, shape: _Shape) -> None:
    sheets.add(UNITS, unit_values(unit, is_whole=shape.is_whole))
    for link in sorted(unit.label_units, key=lambda link: link.label_id):
        sheets.add(LABEL_UNITS, {Unit.id_name: unit.id, "labelId": link.label_id, "labelunitId": link.label_id})
        if shape.only is Only.UNITS:
            sheets.add(LABELS, {**part_values(link.label, is_whole=shape.is_whole), "unitId": unit.id})
    if shape.only is Only.UNITS:
        row = part_values(unit.issuance, is_whole=shape.is_whole)
        sheets.add(ISSUANCES, {**row, "unitId": unit.issuance_id})


def project_document(project: Project, *, is_whole: bool) -> dict[str, Any]:
    """The project with its parts, as a server answers; an empty list is left out."""
    parts = {name: [values(part, is_whole=is_whole) for part in parts_of(project, name)] for name in PROJECT_CHILDREN}
    return {**values(project, is_whole=is_whole), **{name: rows for name, rows in parts.items() if rows}}


def unit_document(unit: Unit, *, is_whole: bool) -> dict[str, Any]:
    """The unit with its issuance and labels, as a server answers."""
    links = sorted(unit.label_units, key=lambda link: link.label_id)
    return {
        **unit_values(unit, is_whole=is_whole),
        "issuance": part_values(unit.issuance, is_whole=is_whole),
        "labels": [part_values(link.label, is_whole=is_whole) for link in links],
    }


def _write_json(session: Session, out: IO[str], chosen: Chosen, only: Only | None, done: _Done) -> None:
    found: dict[str, Iterator[Project] | Iterator[Unit]] = {}
    if only is not Only.UNITS:
        found[PROJECTS] = projects(session, chosen)
    if only is not Only.PROJECTS:
        found[UNITS] = units(session, chosen)
    out.write("{")
    for index, (name, records) in enumerate(found.items()):
        out.write(f'{"," if index else ""}\n "{name}": [')
        is_first = True
        for record in records:
            whole = chosen.is_whole
            row = (
                project_document(record, is_whole=whole)
                if isinstance(record, Project)
                else unit_document(record, is_whole=whole)
            )
            out.write(f"{'' if is_first else ','}\n  {json.dumps(row, ensure_ascii=False)}")
            is_first = False
            done.count(record)
        out.write("\n ]")
    out.write("\n}\n")


def _write_csv(session: Session, out: IO[str], chosen: Chosen, only: Only, done: _Done) -> None:
    name = PROJECTS if only is Only.PROJECTS else UNITS
    columns = list(_columns(name, is_whole=chosen.is_whole))
    columns += ["labels"] if only is Only.UNITS else []
    table = csv.writer(out)
    table.writerow(columns)
    found: Iterator[Project] | Iterator[Unit] = (
        projects(session, chosen) if only is Only.PROJECTS else units(session, chosen)
    )
    for record in found:
        if isinstance(record, Unit):
            row = unit_values(record, is_whole=chosen.is_whole) | {"labels": ";".join(record.label_ids)}
        else:
            row = values(record, is_whole=chosen.is_whole)
        table.writerow([guarded_cell(row.get(column)) for column in columns])
        done.count(record)


@contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    """A text file that is at `path` when the context ends well, and nowhere else."""
    try:
        handle, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise ExportFailed(f"{path} cannot be written ({error.strerror}): choose another place") from error
    try:
        with open(handle, "w", encoding="utf-8", newline="") as out:
            yield out
        os.replace(draft, path)
    except OSError as error:
        raise ExportFailed(f"{path} cannot be written ({error.strerror}): choose another place") from error
    finally:
        Path(draft).unlink(missing_ok=True)
