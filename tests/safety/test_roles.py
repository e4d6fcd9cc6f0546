"""docs/roles.md is what the routes really answer to each kind of caller."""

import os
from collections.abc import Callable
from pathlib import Path

from tests.safety.roles_page import CALLERS, STRANGER, matrix, page
from tests.unit.api.conftest import Api

PAGE = Path(__file__).parents[2] / "docs" / "roles.md"
REWRITE = "WRITE_PAGES"
"""Set this variable to let the test write the page instead of comparing it."""


async def test_the_page_of_roles_is_what_every_route_answers(
    api: Api, figure: Callable[[str], None]
) -> None:
    rows = await matrix(api)
    made = page(rows)
    if os.environ.get(REWRITE):
        PAGE.write_text(made, encoding="utf-8")

    let_in = [one for one, outcomes in rows if outcomes[CALLERS.index(STRANGER)] == "yes"]
    assert [one.path for one in let_in if not one.is_open] == []
    text = PAGE.read_text(encoding="utf-8")
    assert text == made, f"look at the routes, then write the page with {REWRITE}=1"
    figure(f"roles: {len(rows)} operations x {len(CALLERS)} kinds of caller")
