"""What the pages say is so: links lead somewhere, commands exist, blocks of code run."""

import base64
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import msgspec
import pytest

from api.services.receivers import accept_config
from api.services.shapes import shape_problems
from shared.contracts.integrations import IntegrationConfig
from shared.contracts.words import Scope
from shared.domain.addresses import EgressRules
from shared.domain.signing import new_secret, sign
from shared.runtime.integrations import Reach
from tests.site.building import DeadLinks, build

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

RUN_ELSEWHERE = {
    "README.md sh 1": "tests/journeys/test_readme.py runs it against a live system",
    "README.md sh 2": "installs below /opt and needs real servers; its commands are parsed below",
    "export.md python 1": "dlt is no dependency; tests/unit/api/test_exports.py asks as it does",
    "export.md sql 1": "tests/unit/api/test_exports.py makes such a login and reads with it",
    "stream.md python 1": "tests/journeys/test_stream.py follows a stream through this function",
    "operations.md sql 1": "tests/conftest.py grants the same roles to its logins",
    "operations.md sql 2": "tests/house/test_schema.py makes each index by it",
}
"""Blocks that are not run here, and why."""


def _page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=_page_id)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\((?!https?://)([^)#]+)", text)

    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=_page_id)
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"`((?:tests|api|worker|tui|shared|deploy|docs)/[\w./-]+)`", text)

    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=_page_id)
def test_every_guardian_command_a_page_shows_is_understood(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    shown = re.findall(r"(?:^|[` ]|bin/)guardian ([a-z][a-z-]*)(?=[ `\n])", text, re.MULTILINE)
    commands = {shlex.split(one)[0] for one in shown}
    for command in sorted(commands):
        answer = subprocess.run(
            [sys.executable, "-m", "shared.runtime.cli", command, "--help"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert answer.returncode == 0, f"guardian {command}: {answer.stderr}"


def test_the_template_shown_is_one_that_would_be_accepted() -> None:
    [(_, block)] = FENCE.findall((ROOT / "docs/formats.md").read_text(encoding="utf-8"))
    config = msgspec.json.decode(block, type=IntegrationConfig)
    scopes = [Scope.READINESS, Scope.ADOPTION, Scope.EDITIONS]

    assert shape_problems(config, scopes, path="$") == []


def test_the_credentials_shown_have_the_fields_that_are_understood() -> None:
    blocks = FENCE.findall((ROOT / "docs/integrations.md").read_text(encoding="utf-8"))
    shown = [block for kind, block in blocks if kind == "json"]
    oauth2, certificate = (
        msgspec.json.decode(block, type=IntegrationConfig) for block in shown[:2]
    )

    found = accept_config(oauth2, egress=EgressRules(), now=datetime.now(UTC), path="$")
    assert found.credentials.grant is not None
    assert certificate.client_certificate is not None
    assert msgspec.json.decode(shown[2], type=dict[str, Reach]).keys() == {"crm"}


@pytest.mark.parametrize("page", PAGES, ids=_page_id)
def test_every_make_target_a_page_shows_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = set(re.findall(r"(?:^    |`)make ([a-z-]+)", text, re.MULTILINE))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")

    assert [one for one in targets if not re.search(rf"^{one}:", makefile, re.MULTILINE)] == []


def test_every_block_of_code_is_run_here_or_excused_with_a_reason() -> None:
    run_here = {
        "receivers.md python 1",
        "formats.md json 1",
        "integrations.md json 1",
        "integrations.md json 2",
        "integrations.md json 3",
    }
    found: set[str] = set()
    for page in PAGES:
        counts: dict[str, int] = {}
        for language, _ in FENCE.findall(page.read_text(encoding="utf-8")):
            counts[language] = counts.get(language, 0) + 1
            found.add(f"{page.name} {language} {counts[language]}")

    assert found == run_here | set(RUN_ELSEWHERE)


def test_the_receivers_recipe_accepts_what_guardian_signs_and_nothing_else() -> None:
    [(_, block)] = FENCE.findall((ROOT / "docs/receivers.md").read_text(encoding="utf-8"))
    names: dict[str, object] = {}
    exec(block, names)  # noqa: S102 - the page's own code, as a reader would run it
    is_from_guardian = cast(
        "Callable[[str, bytes, dict[str, str]], bool]", names["is_from_guardian"]
    )
    secret = new_secret(b"0" * 32)
    body = b'{"type":"test"}'
    headers = sign([secret], message_id="evt", sent_at=datetime.now(UTC), body=body)

    assert is_from_guardian(secret, body, headers)
    assert not is_from_guardian(secret, body + b" ", headers)
    other = "whsec_" + base64.b64encode(b"1" * 32).decode()
    assert not is_from_guardian(other, body, headers)


def test_the_site_is_built_and_no_link_in_it_is_dead(tmp_path: Path) -> None:
    pages = build(ROOT, tmp_path)

    assert {"README.md", "docs/operations.md", "docs/api.md"} <= set(pages)
    first = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "<h1" in first
    assert 'href="docs/operations.html' in first
    routes = (tmp_path / "docs/api.html").read_text(encoding="utf-8")
    assert "POST /api/guardian/meta/observations/readiness" in routes


def test_a_dead_link_is_told_and_nothing_is_built(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/page.md").write_text("# A page\n\n[up](../README.md#no) [x](other.md)\n")
    (tmp_path / "README.md").write_text("# Title\n\n[in](docs/page.md#a-page) [self](#title)\n")

    with pytest.raises(DeadLinks) as refused:
        build(tmp_path, tmp_path / "site")

    assert refused.value.links == [
        "docs/page.md: ../README.md#no: README.md has no such heading",
        "docs/page.md: other.md: there is no such page or file",
    ]
    assert not (tmp_path / "site").exists()
