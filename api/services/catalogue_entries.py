"""The catalogue's entries, as operators read and write them.

An entry is never deleted: past observations name it. What is written here leaves in payloads, so
keys and labels are looked through for personal data.
"""

from typing import Any

import msgspec
from piccolo.columns.combination import And, Where
from piccolo.table import Table

from api.services.audit import Witness, record
from shared.contracts.catalogue import (
    CapabilityEntry,
    CatalogueListing,
    EditionEntry,
    NewCapability,
    NewEdition,
    NewSubDimension,
    SubDimensionEntry,
)
from shared.contracts.postures import Key
from shared.contracts.words import Dimension
from shared.data.audit import Act
from shared.data.session import OperatorSession
from shared.data.tables import AdoptionSubDimension, Capability, Edition
from shared.domain import pii
from shared.errors import FieldError, InvalidError

ACTION = "catalogue.put"


async def listing(session: OperatorSession) -> CatalogueListing:
    """Every entry, by key."""
    capabilities = await Capability.select().order_by(Capability.key)
    editions = await Edition.select().order_by(Edition.key)
    sub_dimensions = await AdoptionSubDimension.select().order_by(
        AdoptionSubDimension.dimension, AdoptionSubDimension.sub_dimension
    )
    return CatalogueListing(
        capabilities=[msgspec.convert(row, CapabilityEntry) for row in capabilities],
        editions=[msgspec.convert(row, EditionEntry) for row in editions],
        dimensions=[_sub_dimension(row) for row in sub_dimensions],
    )


async def put_capability(
    session: OperatorSession, key: str, new: NewCapability, *, witness: Witness
) -> CapabilityEntry:
    """Register a capability, or change it.

    Raises:
        InvalidError: the key has not the form of one, or key or label look like personal data.
    """
    _check_texts(key, new.label)
    row = {"key": key, **msgspec.to_builtins(new)}
    await _put(session, Capability, row, Capability.key == key, target=key, witness=witness)
    return msgspec.convert(row, CapabilityEntry)


async def put_edition(
    session: OperatorSession, key: str, new: NewEdition, *, witness: Witness
) -> EditionEntry:
    """Register an edition, or change it.

    Raises:
        InvalidError: as for a capability, or the recommended score lies below the minimum.
    """
    _check_texts(key, new.label)
    if new.recommended_overall_score < new.min_overall_score:
        below = FieldError(
            "$.recommended_overall_score", "out_of_order", "It must not lie below the minimum."
        )
        raise InvalidError(errors=[below])
    row = {"key": key, **msgspec.to_builtins(new)}
    await _put(session, Edition, row, Edition.key == key, target=key, witness=witness)
    return msgspec.convert(row, EditionEntry)


async def put_sub_dimension(
    session: OperatorSession, key: str, new: NewSubDimension, *, witness: Witness
) -> SubDimensionEntry:
    """Register a sub-dimension of one of the six dimensions, or change it.

    Raises:
        InvalidError: the key is not `<dimension>.<sub_dimension>`, or the edges do not rise.
    """
    dimension, _, sub_dimension = key.partition(".")
    if dimension not in list(Dimension) or not sub_dimension:
        known = ", ".join(Dimension)
        message = f"It must be <dimension>.<sub_dimension>; the dimensions are {known}."
        raise InvalidError(errors=[FieldError("key", "malformed", message)])
    _check_texts(sub_dimension, None)
    if not new.light_from <= new.regular_from <= new.power_from:
        falling = FieldError("$.power_from", "out_of_order", "The edges must not fall.")
        raise InvalidError(errors=[falling])
    row = {"dimension": dimension, "sub_dimension": sub_dimension, **msgspec.to_builtins(new)}
    entry = (AdoptionSubDimension.dimension == dimension) & (
        AdoptionSubDimension.sub_dimension == sub_dimension
    )
    await _put(session, AdoptionSubDimension, row, entry, target=key, witness=witness)
    return _sub_dimension(row)


async def _put(
    session: OperatorSession,
    table: type[Table],
    row: dict[str, Any],
    entry: Where | And,
    *,
    target: str,
    witness: Witness,
) -> None:
    """Write `row`, whole, in the place of the entry that may be there."""
    before = await table.select().where(entry).lock_rows("UPDATE").first()
    keys = {"key", "dimension", "sub_dimension"}
    if before is None:
        await table.insert(table(**row))
    else:
        await table.update({name: value for name, value in row.items() if name not in keys}).where(
            entry
        )
    act = Act(ACTION, "catalogue", target, before=before, after=row)
    await record(session, act, witness=witness, tenant_id=None)


def _sub_dimension(row: dict[str, Any]) -> SubDimensionEntry:
    key = f"{row['dimension']}.{row['sub_dimension']}"
    return msgspec.convert({"key": key, **row}, SubDimensionEntry)


def _check_texts(key: str, label: str | None) -> None:
    try:
        msgspec.convert(key, Key)
    except msgspec.ValidationError:
        message = "Lower-case words joined by `.`, `_` or `-` are expected, 96 characters at most."
        raise InvalidError(errors=[FieldError("key", "malformed", message)]) from None
    errors = [
        FieldError(path, "personal_data", f"It looks as if it held personal data ({kind}).")
        for path, text in (("key", key), ("$.label", label))
        if text is not None and (kind := pii.find(text))
    ]
    if errors:
        raise InvalidError(errors=errors)
