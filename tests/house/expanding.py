"""Reads migrations as a careful operator would: what breaks, or holds up, the running release?

Old and new processes run side by side across a migration, so it may add and must not take away, and
it runs in one transaction, so it must not walk or rewrite a large table under a lock.
"""

import re
from collections.abc import Callable, Collection
from typing import NamedTuple

CONTRACTS = "-- contracts:"
"""In front of a statement that takes something away, with the reason why nobody misses it."""


class Rule(NamedTuple):
    """What is refused, and what to do instead.

    Attributes:
        shape: of the statement, with blanks and case evened out; a group `table` names the table.
        only_large: whether small tables may have it.
        may_contract: whether a reason behind `CONTRACTS` lets it pass.
    """

    shape: str
    reason: str
    way_out: str
    only_large: bool = False
    may_contract: bool = False


_ALTER = r"ALTER TABLE (IF EXISTS )?(ONLY )?(?P<table>\w+) .*?"
_TWO_RELEASES = (
    "stop using it in one release, take it away in a later one behind "
    f"`{CONTRACTS} <which release stopped using it>`"
)

RULES = (
    Rule(
        r"DROP (TABLE|VIEW|MATERIALIZED VIEW) (IF EXISTS )?(?P<table>\w+)",
        "the running release may still use it",
        _TWO_RELEASES,
        may_contract=True,
    ),
    Rule(
        _ALTER + r"DROP (?!CONSTRAINT|EXPRESSION|DEFAULT|NOT NULL)",
        "the running release may still read the column",
        _TWO_RELEASES,
        may_contract=True,
    ),
    Rule(
        r"DROP (FUNCTION|TYPE|TRIGGER|POLICY|INDEX)\b(?P<table>)",
        "the running release may still rely on it",
        f"CREATE OR REPLACE, or {_TWO_RELEASES}",
        may_contract=True,
    ),
    Rule(
        r"ALTER \w+ .*?\bRENAME\b(?P<table>)",
        "the running release knows only the old name",
        "add the new one, write both, read the new one, take the old one away a release later",
    ),
    Rule(
        _ALTER + r"ALTER (COLUMN )?\w+ (SET DATA )?TYPE\b",
        "it rewrites the table under a lock, and the running release may not fit the new type",
        "add a column of the new type, fill it in batches, and read it in the next release",
    ),
    Rule(
        _ALTER + r"ADD (COLUMN )?(IF NOT EXISTS )?(?!CONSTRAINT|CHECK|FOREIGN|UNIQUE|PRIMARY)\w+ "
        r"(?=[^,;]*NOT NULL)(?![^,;]*(DEFAULT|GENERATED))",
        "the running release writes rows without the column",
        "give it a constant DEFAULT, or let it be null",
    ),
    Rule(
        _ALTER + r"ALTER (COLUMN )?\w+ SET NOT NULL",
        "it walks the table under a lock, and the running release may write nulls",
        "add a CHECK (… IS NOT NULL) NOT VALID and validate it in a later migration",
        may_contract=True,
    ),
    Rule(
        _ALTER + r"ADD (COLUMN )?[^;]*(DEFAULT [^,;]*(random|clock_timestamp|nextval|gen_\w+)\s*\(|"
        r"GENERATED ALWAYS AS)",
        "each row needs its own value, so the table is rewritten under a lock",
        "add the column without it, and fill it in batches",
        only_large=True,
    ),
    Rule(
        _ALTER + r"ADD (CONSTRAINT \w+ )?(CHECK|FOREIGN KEY)(?![^;]*NOT VALID)",
        "it walks the table under a lock",
        "add it NOT VALID, and VALIDATE CONSTRAINT in a later migration",
        only_large=True,
    ),
    Rule(
        _ALTER + r"ADD (CONSTRAINT \w+ )?(UNIQUE|PRIMARY KEY)(?![^;]*USING INDEX)",
        "it builds an index while nobody may write",
        "make the index first, as an index is made, then ADD … USING INDEX",
        only_large=True,
    ),
    Rule(
        r"CREATE (UNIQUE )?INDEX (?!IF NOT EXISTS)(CONCURRENTLY )?\w* ?ON (ONLY )?(?P<table>\w+)",
        "nobody may write while it is built, and CONCURRENTLY cannot run in a transaction",
        "CREATE INDEX IF NOT EXISTS, and show the same with CONCURRENTLY in docs/operations.md, "
        "Upgrading, as what operators of large installations run before `guardian migrate`",
        only_large=True,
    ),
    Rule(
        r"(UPDATE (ONLY )?|DELETE FROM (ONLY )?|TRUNCATE (TABLE )?)(?P<table>\w+)",
        "it holds every row it touches until the whole migration ends",
        "let the worker do it in batches",
        only_large=True,
    ),
    Rule(
        r"(VACUUM FULL|CLUSTER|LOCK TABLE|REINDEX)\b(?P<table>)",
        "nobody may read while it runs",
        "leave it to the operator",
    ),
)


def complaints(sql: str, *, large: Collection[str], documented: Callable[[str], bool]) -> list[str]:
    """What a careful operator would refuse in a migration, one sentence each.

    Args:
        sql: all of its statements.
        large: tables that grow with the traffic.
        documented: whether the runbook shows operators how to make an index of this name before.
    """
    statements = _statements(sql)
    born = {name for one in statements for name in re.findall(_BORN, one, re.IGNORECASE)}
    found: list[str] = []
    for statement in statements:
        is_excused = re.search(rf"{CONTRACTS} \S", statement) is not None
        plain = " ".join(re.sub(r"--[^\n]*", "", statement).split())
        for rule in RULES:
            match = re.match(rule.shape, plain, re.IGNORECASE)
            if match is None or (is_excused and rule.may_contract):
                continue
            table = match["table"].lower()
            if (table and table in born) or (rule.only_large and table not in large):
                continue
            found.append(f"`{plain[:90]}`: {rule.reason}; {rule.way_out}.")
        if index := re.match(_INDEX_IF_MISSING, plain, re.IGNORECASE):
            name, table = index["name"], index["table"]
            if table in large and table not in born and not documented(name):
                found.append(f"{name} is not in docs/operations.md, Upgrading.")
    return found


_BORN = r"^\s*CREATE (?:UNLOGGED )?(?:TABLE|FUNCTION|VIEW)(?: IF NOT EXISTS)? (\w+)"
_INDEX_IF_MISSING = r"CREATE (UNIQUE )?INDEX IF NOT EXISTS (?P<name>\w+) ON (ONLY )?(?P<table>\w+)"


def _statements(sql: str) -> list[str]:
    """Split at semicolons that stand outside of strings and of functions' bodies."""
    pieces = re.findall(r"\$\$.*?\$\$|'(?:[^']|'')*'|--[^\n]*|;|[^$';-]+|.", sql, re.DOTALL)
    statements = [""]
    for piece in pieces:
        if piece == ";":
            statements.append("")
        elif piece.startswith("$$") and len(piece) > 1:
            statements[-1] += " $body$ "
        else:
            statements[-1] += piece
    return [one.strip() for one in statements if one.strip()]
