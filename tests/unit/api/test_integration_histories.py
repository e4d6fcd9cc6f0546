"""Whatever is done to integrations, in whatever order and at once, ends as a plain model says."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import UUID

import httpx
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from shared.contracts.words import Role
from shared.data.connection import Connection
from shared.domain.credentials import open_secret
from shared.domain.signing import public_key
from shared.domain.tenant_keys import Sealer
from tests.conftest import make_tenant
from tests.unit.api.conftest import Api

EXAMPLES = 500
STEPS = 5
URL = "https://bi.example.com/hook"
KEYS = st.sampled_from(["bi", "crm", "chat"])
LABELS = st.sampled_from(["One", "Two", "Three"])
SCOPES = st.lists(st.sampled_from(["readiness", "uplift"]), min_size=1, max_size=2, unique=True)
SIGNATURES = st.sampled_from(["v1", "v1a"])
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "label": LABELS,
        "is_enabled": st.booleans(),
        "scopes": SCOPES,
        "config": SIGNATURES.map(lambda one: {"webhook_url": URL, "signature": one}),
    },
)
WHICH = st.integers(0, 3)
BEHIND = st.sampled_from([None, 0, 1])
"""How far the version that a request expects lies behind; None expects none."""
OVERLAPS = st.sampled_from([0, 24])


@dataclass
class Known:
    """An integration as it must be; `proof` is its secret, or the key that verifies."""

    id: str
    key: str
    label: str
    is_enabled: bool
    scopes: list[str]
    signature: str
    proof: str
    version: int = 1
    acts: int = 1
    is_deleted: bool = False
    previous: str | None = None
    seen: set[str] = field(default_factory=set[str])

    def expects(self, behind: int | None) -> int:
        """The status of a request that may go through."""
        if self.is_deleted:
            return 404
        return 412 if behind else 200

    def take(self, change: dict[str, Any], answer: dict[str, Any]) -> None:
        """Change as the API must have, and find that in its answer."""
        plain = {name: value for name, value in change.items() if name != "config"}
        if "config" in change or any(getattr(self, name) != plain[name] for name in plain):
            self.version += 1
            self.acts += 1
        for name, value in plain.items():
            setattr(self, name, value)
        if change.get("config", {}).get("signature", self.signature) != self.signature:
            self.signature = change["config"]["signature"]
            self.renew(_proof(answer), is_overlapping=True)
        assert (answer["version"], answer["label"]) == (self.version, self.label)

    def renew(self, proof: str, *, is_overlapping: bool) -> None:
        """Take a new secret, which must be one that was never there before."""
        self.seen.add(self.proof)
        assert proof not in self.seen
        self.previous = self.proof if is_overlapping else None
        self.proof = proof


@dataclass(frozen=True)
class Stand:
    """What the histories run on, and how they wait for it."""

    api: Api
    owner: Connection
    operator_key: str
    wait: Callable[[Coroutine[Any, Any, Any]], Any]


class Histories(RuleBasedStateMachine):
    """One tenant, and what its admins do."""

    stand: ClassVar[Stand]

    @initialize()
    def begin(self) -> None:
        stand = self.stand
        self.tenant_id: UUID = stand.wait(make_tenant("Acme", clock=stand.api.clock))
        self.caller = stand.api.client(stand.operator_key, workspaceId=str(self.tenant_id))
        self.all: list[Known] = []

    def ask(self, method: str, path: str, body: Any = None, expected: int | None = None) -> Any:
        """Send one request that expects a version where one is given."""
        headers = {} if expected is None else {"if-match": f'"{expected}"'}
        return self.caller.request(method, f"/integrations{path}", json=body, headers=headers)

    def one(self, *questions: Any) -> list[httpx.Response]:
        """Ask at once, and have the answers in the order of the questions."""

        async def together() -> list[httpx.Response]:
            return list(await asyncio.gather(*questions))

        return self.stand.wait(together())

    def chosen(self, which: int) -> Known:
        return self.all[which % len(self.all)]

    def is_free(self, key: str) -> bool:
        return all(known.is_deleted or known.key != key for known in self.all)

    @rule(
        key=KEYS,
        label=LABELS,
        is_enabled=st.booleans(),
        scopes=SCOPES,
        signature=SIGNATURES,
        times=st.integers(1, 2),
    )
    def create(  # noqa: PLR0917 - hypothesis calls by name
        self,
        key: str,
        label: str,
        is_enabled: bool,  # noqa: FBT001 - likewise
        scopes: list[str],
        signature: str,
        times: int,
    ) -> None:
        """Ask once or twice at the same time: a free key is given to one."""
        body = {
            "integration_key": key,
            "label": label,
            "is_enabled": is_enabled,
            "scopes": scopes,
            "config": {"webhook_url": URL, "signature": signature},
        }
        answers = self.one(*(self.ask("POST", "", body) for _ in range(times)))
        made = [answer.json() for answer in answers if answer.status_code == 201]
        assert len(made) == self.is_free(key)
        assert {answer.status_code for answer in answers} <= {201, 409}
        self.all += [
            Known(one["id"], key, label, is_enabled, scopes, signature, _proof(one)) for one in made
        ]

    @precondition(lambda self: self.all)
    @rule(which=WHICH, change=CHANGES, behind=BEHIND)
    def change(self, which: int, change: dict[str, Any], behind: int | None) -> None:
        known = self.chosen(which)
        expected = None if behind is None else known.version - behind
        [answer] = self.one(self.ask("PATCH", f"/{known.id}", change, expected))
        assert answer.status_code == known.expects(behind)
        if answer.is_success:
            known.take(change, answer.json())

    @precondition(lambda self: len(self.all) > 1)
    @rule(which=WHICH, change=CHANGES, other=CHANGES, behind=BEHIND)
    def change_two(
        self, which: int, change: dict[str, Any], other: dict[str, Any], behind: int | None
    ) -> None:
        """Both or none."""
        pair = self.chosen(which), self.chosen(which + 1)
        updates = [{"id": pair[0].id, **change}, {"id": pair[1].id, **other}]
        if behind is not None:
            updates[1]["version"] = pair[1].version - behind
        [answer] = self.one(self.ask("PATCH", "", {"updates": updates}))
        if any(known.is_deleted for known in pair):
            assert answer.status_code == 404
            return
        assert answer.status_code == pair[1].expects(behind)
        if answer.is_success:
            for known, taken, told in zip(
                pair, (change, other), answer.json()["updated"], strict=True
            ):
                known.take(taken, told)

    @precondition(lambda self: self.all)
    @rule(which=WHICH, overlap=OVERLAPS, behind=BEHIND)
    def rotate(self, which: int, overlap: int, behind: int | None) -> None:
        known = self.chosen(which)
        expected = None if behind is None else known.version - behind
        body = {"overlap_hours": overlap}
        [answer] = self.one(self.ask("POST", f"/{known.id}/rotate-secret", body, expected))
        assert answer.status_code == known.expects(behind)
        if answer.is_success:
            self.rotated(known, answer.json(), is_overlapping=bool(overlap))

    def rotated(self, known: Known, told: dict[str, Any], *, is_overlapping: bool) -> None:
        known.renew(told["signing_secret"] or told["verifying_key"], is_overlapping=is_overlapping)
        known.version += 1
        known.acts += 1
        assert told["version"] == known.version
        assert (told["previous_secret_until"] is not None) == is_overlapping

    @precondition(lambda self: self.all)
    @rule(which=WHICH, behind=BEHIND)
    def delete(self, which: int, behind: int | None) -> None:
        known = self.chosen(which)
        expected = None if behind is None else known.version - behind
        [answer] = self.one(self.ask("DELETE", f"/{known.id}", None, expected))
        status = known.expects(behind)
        assert answer.status_code == (204 if status == 200 else status)
        if answer.is_success:
            known.is_deleted = True
            known.acts += 1

    @precondition(lambda self: self.all)
    @rule(which=WHICH)
    def several_who_read_the_same_version(self, which: int) -> None:
        """Of those who change, rotate and delete what they all have read, one comes first."""
        known = self.chosen(which)
        change = {"label": "Mine"}
        answers = self.one(
            self.ask("PATCH", f"/{known.id}", change, known.version),
            self.ask("POST", f"/{known.id}/rotate-secret", None, known.version),
            self.ask("DELETE", f"/{known.id}", None, known.version),
        )
        done = [index for index, answer in enumerate(answers) if answer.is_success]
        if known.is_deleted:
            assert not done
            return
        if known.label == "Mine" and 0 in done:
            done.remove(0)  # it changed nothing, so it kept nobody from changing
        [first] = done
        assert {one.status_code for one in answers if not one.is_success} <= {404, 412}
        match first:
            case 0:
                known.take(change, answers[0].json())
            case 1:
                self.rotated(known, answers[1].json(), is_overlapping=True)
            case _:
                known.is_deleted = True
                known.acts += 1

    @precondition(lambda self: self.all)
    @rule(which=WHICH)
    def several_who_expect_nothing(self, which: int) -> None:
        """All get through, one after the other."""
        known = self.chosen(which)
        fresh = [f"Free {known.version}.{number}" for number in range(2)]
        answers = self.one(*(self.ask("PATCH", f"/{known.id}", {"label": one}) for one in fresh))
        if known.is_deleted:
            assert {answer.status_code for answer in answers} == {404}
            return
        for answer in sorted(answers, key=lambda one: one.json()["version"]):
            known.take({"label": answer.json()["label"]}, answer.json())
        assert known.label in fresh

    def teardown(self) -> None:
        if self.all:
            self.stand.wait(self.compare())

    async def compare(self) -> None:
        """What is listed, stored and audited is what the model says."""
        live = [known for known in reversed(self.all) if not known.is_deleted]
        listed = (await self.ask("GET", "")).json()["items"]
        assert [
            (
                one["id"],
                one["integration_key"],
                one["label"],
                one["is_enabled"],
                one["scopes"],
                one["version"],
                one["config_summary"]["signature"],
                one["signing_secret"],
            )
            for one in listed
        ] == [
            (
                known.id,
                known.key,
                known.label,
                known.is_enabled,
                known.scopes,
                known.version,
                known.signature,
                None,
            )
            for known in live
        ]
        rows = await self.stand.owner.fetch(
            "SELECT id, sealed_secret, sealed_previous_secret, deleted_at, "
            "(SELECT count(*) FROM audit WHERE tenant_id = $1 AND outcome = 'done' "
            " AND target_id = i.id::text) AS acts FROM integration i WHERE tenant_id = $1",
            self.tenant_id,
        )
        stored = {str(row["id"]): row for row in rows}
        sealer = await self.stand.api.sealer(self.tenant_id)
        assert stored.keys() == {known.id for known in self.all}
        for known in self.all:
            row = stored[known.id]
            assert row["acts"] == known.acts
            if known.is_deleted:
                assert (row["sealed_secret"], row["sealed_previous_secret"]) == (None, None)
                continue
            assert self.opened(sealer, known, row["sealed_secret"]) == known.proof
            assert self.opened(sealer, known, row["sealed_previous_secret"]) == known.previous

    def opened(self, sealer: Sealer, known: Known, sealed: bytes | None) -> str | None:
        if sealed is None:
            return None
        place = {"tenant_id": self.tenant_id, "integration_id": UUID(known.id)}
        secret = open_secret(sealer, sealed, **place)
        return public_key(secret) if secret.startswith("whsk_") else secret


def _proof(answer: dict[str, Any]) -> str:
    return answer["signing_secret"] or answer["config_summary"]["verifying_key"]


@pytest.fixture
async def loop() -> asyncio.AbstractEventLoop:
    """The loop on which the fixtures live; it stands still while a plain test runs."""
    return asyncio.get_running_loop()


def test_every_history_of_integrations_ends_as_the_model_says(
    api: Api, owner: Connection, loop: asyncio.AbstractEventLoop
) -> None:
    wait = loop.run_until_complete
    operator_key = wait(api.make_key(Role.OPERATOR, None))
    Histories.stand = Stand(api, owner, operator_key, wait)

    run_state_machine_as_test(
        Histories,
        settings=settings(
            max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None, database=None
        ),
    )
