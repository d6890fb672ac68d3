"""The organization at home in this register, and what it publishes about itself, as CAD Trust's `/v1/organizations`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from tokenization_engine.errors import NotInRegister, RecordInvalid
from tokenization_engine.register.audit import Trail
from tokenization_engine.register.checks import RecordReader
from tokenization_engine.register.model import Organization, OrganizationMetadata, Record, new_id


def find_home(session: Session) -> Organization | None:
    """The organization at home here; None before `set_home`."""
    return session.scalars(select(Organization).where(Organization.is_home)).one_or_none()


def set_home(session: Session, name: str, *, icon: str | None = None) -> Organization:
    """The organization at home, made or renamed; its orgUid stays for good. Raises RecordInvalid."""
    values = _read(Organization, {"name": name, "icon": icon})
    home = find_home(session)
    with Trail.of(session).doing("organization"):
        if home is None:
            home = Organization(id=new_id(), is_home=True)
            session.add(home)
        home.name, home.icon = values["name"], values["icon"]
        session.flush()
    return home


def metadata_of(session: Session, organization: Organization) -> dict[str, str]:
    """What the organization publishes, by key."""
    query = select(OrganizationMetadata).where(OrganizationMetadata.organization_id == organization.id)
    return {line.key: line.value or "" for line in session.scalars(query.order_by(OrganizationMetadata.key))}


def set_metadata(session: Session, values: Mapping[str, str | None]) -> None:
    """Publish these values of the organization at home, by key; None takes a key back.

    Raises NotInRegister before there is one, and RecordInvalid.
    """
    home = find_home(session)
    if home is None:
        raise NotInRegister("no organization is at home in this register yet: name it first")
    query = select(OrganizationMetadata).where(OrganizationMetadata.organization_id == home.id)
    held = {line.key: line for line in session.scalars(query)}
    with Trail.of(session).doing("organization"):
        for given, value in values.items():
            read = _read(OrganizationMetadata, {"key": given, "value": value})
            line = held.get(read["key"])
            if value is None:
                if line is not None:
                    session.delete(line)
            elif line is not None:
                line.value = read["value"]
            else:
                session.add(OrganizationMetadata(id=new_id(), organization_id=home.id, **read))
        session.flush()


def _read(kind: type[Record], raw: Mapping[str, object]) -> dict[str, Any]:
    reader = RecordReader()
    reader.read_fields(kind.fields, raw)
    if reader.problems:
        raise RecordInvalid(reader.problems)
    return reader.values
