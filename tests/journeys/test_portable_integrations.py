"""Integrations go from one tenant to another by command: without secrets, all or nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

from shared.contracts.words import Role
from tests.conftest import Clock, make_tenant
from tests.journeys.conftest import System

GUARDIAN = Path(sys.executable).with_name("guardian")
URL = "https://crm.example.com/canary-of-url"
REACH: dict[str, Any] = {
    "webhook_url": URL,
    "secret_headers": {"X-Api-Key": "canary-of-header"},
    "auth": {"kind": "bearer", "token": "canary-of-token"},
}


def guardian(system: System, role: Role, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `guardian integrations …` against the system's API."""
    return subprocess.run(
        [GUARDIAN, "integrations", *arguments],
        env={
            "PATH": os.defpath,
            "GUARDIAN_API_URL": system.api_url,
            "GUARDIAN_API_KEY": system.keys[role],
        },
        capture_output=True,
        text=True,
        check=False,
    )


async def test_an_export_is_imported_elsewhere_and_then_says_the_same(
    system: System, clock: Clock, tmp_path: Path
) -> None:
    file, secrets = tmp_path / "bundle.json", tmp_path / "secrets.json"
    other = str(await make_tenant("Other", clock=clock))
    to_other = ("--tenant", other)
    template = {"ready": "gainsight", "account": "acme-1"}
    await system.connect(
        URL, key="crm", secret_headers=REACH["secret_headers"], auth=REACH["auth"], ordered=True
    )
    await system.connect(URL, key="gainsight", format="template", template=template)

    exported = guardian(system, Role.ADMIN, "export", "--output", str(file))
    assert (exported.returncode, exported.stderr) == (0, "")
    assert "canary" not in file.read_text()
    assert "whsec_" not in file.read_text()

    bare = guardian(system, Role.OPERATOR, "import", str(file), *to_other)
    assert bare.returncode == 1
    assert "crm needs its URL and credentials in --secrets" in bare.stderr

    secrets.write_text(json.dumps({"crm": REACH, "gainsight": {"webhook_url": URL}}))
    given = (str(file), "--secrets", str(secrets), *to_other)
    dry = guardian(system, Role.OPERATOR, "import", *given, "--dry-run")
    assert dry.stdout.splitlines() == [
        "+ crm: new",
        "+ gainsight: new",
        "Nothing was changed: a dry run.",
    ]
    assert await _listed(system, other) == []

    done = guardian(system, Role.OPERATOR, "import", *given, "--json")
    told = json.loads(done.stdout)
    assert [one["signing_secret"][:6] for one in told["made"]] == ["whsec_"] * 2
    assert "canary" not in done.stdout + dry.stdout + done.stderr

    again = guardian(system, Role.OPERATOR, "import", str(file), *to_other)
    assert again.stdout.splitlines() == ["= crm: as it is", "= gainsight: as it is"]
    back = guardian(system, Role.OPERATOR, "export", *to_other)
    assert json.loads(back.stdout) == json.loads(file.read_text())


async def test_what_differs_is_changed_and_what_is_refused_leaves_nothing_behind(
    system: System, tmp_path: Path
) -> None:
    file, secrets = tmp_path / "bundle.json", tmp_path / "secrets.json"
    await system.connect(URL, key="crm")
    await system.connect(URL, key="stays")
    bundle = json.loads(guardian(system, Role.ADMIN, "export").stdout)
    [crm, _] = bundle["integrations"]
    changed = crm | {"label": "Renamed", "scopes": ["uplift"]}
    new = crm | {"integration_key": "new"}
    refused = new | {"integration_key": "refused", "label": "jane.doe@example.com"}

    def write(*integrations: dict[str, Any], reaches: dict[str, Any]) -> tuple[str, ...]:
        file.write_text(json.dumps(bundle | {"integrations": integrations}))
        secrets.write_text(json.dumps(reaches))
        return ("import", str(file), "--secrets", str(secrets))

    before = await _listed(system)
    reach = {"webhook_url": URL}
    wrong = write(changed, new, refused, reaches={"new": reach, "refused": reach})
    answer = guardian(system, Role.ADMIN, *wrong)
    assert answer.returncode == 1
    assert "personal" in answer.stderr
    assert await _listed(system) == before

    misfit = write(changed, new, reaches={"new": REACH})
    answer = guardian(system, Role.ADMIN, *misfit)
    assert 'new: --secrets gives auth "bearer", the file says "none"' in answer.stderr
    assert "canary" not in answer.stderr
    assert await _listed(system) == before

    answer = guardian(system, Role.ADMIN, *write(changed, new, reaches={"new": reach}))
    assert (answer.returncode, answer.stderr) == (0, "")
    lines = answer.stdout.splitlines()
    assert lines[0] == "+ new: new"
    assert lines[1].startswith('~ crm: label "BI dashboard" -> "Renamed", scopes [')
    assert lines[2] == "  stays: not in the file, stays"
    assert lines[3].startswith("new signs with whsec_")
    after = {one["integration_key"]: one for one in await _listed(system)}
    assert after.keys() == {"crm", "new", "stays"}
    assert (after["crm"]["label"], after["crm"]["version"]) == ("Renamed", 2)
    assert after["new"]["is_enabled"]

    file.write_text('{"guardian_integrations": 2, "integrations": []}')
    answer = guardian(system, Role.ADMIN, "import", str(file))
    assert (answer.returncode, "is not understood" in answer.stderr) == (1, True)


async def _listed(system: System, tenant: str | None = None) -> list[dict[str, Any]]:
    params = {} if tenant is None else {"workspaceId": tenant}
    async with system.speak(Role.ADMIN if tenant is None else Role.OPERATOR) as client:
        answer = await client.get("/integrations", params=params)
    assert answer.status_code == httpx.codes.OK
    return answer.json()["items"]
