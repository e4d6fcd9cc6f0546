"""An integration made or changed. What the server refuses stands below the field it is about."""

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

import msgspec
from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Label

from shared.contracts.integrations import (
    AuthConfig,
    Integration,
    IntegrationChange,
    IntegrationConfig,
    NewIntegration,
)
from shared.contracts.templates import Template
from shared.contracts.words import AuthKind, Digest, PayloadFormat, Scope
from shared.errors import AddressRefusedError, GuardianError, InvalidError, VersionMismatchError
from tui.desk import Desk
from tui.keys import bindings
from tui.messages import Asked, Left, Said, SecretShown
from tui.screens.pane import Pane
from tui.text import Span, visible
from tui.widgets.choices import Choices
from tui.widgets.field import Field
from tui.widgets.lines import Lines

TEXTS = {
    "key": ("Key", "bi_dashboard: unique, never changed"),
    "label": ("Label", "what people call it"),
    "description": ("Description", "may stay empty"),
    "url": ("URL", "https://…"),
    "headers": ("Headers", "x-env: prod; x-team: data"),
    "secret_headers": ("Secret headers", "x-api-key: …"),
    "auth": ("Authorisation", "bearer TOKEN, basic USER PASSWORD, or header NAME VALUE"),
}
MASKED = frozenset({"secret_headers", "auth"})
FORMATS = tuple(str(one) for one in PayloadFormat if one is not PayloadFormat.TEMPLATE)
CHOICES = {
    "scopes": ("Scopes", tuple(str(one) for one in Scope)),
    "format": ("Format", FORMATS),
    "signature": ("Signature", ("v1", "v1a")),
    "state": ("State", ("off", "on")),
}
FIRST = {"format": FORMATS[0], "signature": "v1", "state": "off"}
"""What is ticked in a new form; of these exactly one always is."""

FIELD_OF = {
    "$.integration_key": "key",
    "$.label": "label",
    "$.description": "description",
    "$.scopes": "scopes",
    "$.config.webhook_url": "url",
    "$.config.headers": "headers",
    "$.config.secret_headers": "secret_headers",
    "$.config.auth": "auth",
    "$.config.format": "format",
    "$.config.template": "format",
    "$.config.signature": "signature",
}


class NotUnderstoodError(Exception):
    """A field does not say what it must; raised and caught here alone."""


class IntegrationFormPane(Pane):
    """What is typed survives a refusal, a lost connection and somebody else's change."""

    PLACES = ("form",)
    BINDINGS: ClassVar[list[BindingType]] = bindings("form")

    def __init__(self, desk: Desk, *, id: str) -> None:
        """Start empty."""
        super().__init__(desk, id=id)
        self._integration_id: UUID | None = None
        self._before: Integration | None = None
        self._is_conflict = False
        self._is_saving = False
        self._untouched: dict[str, object] = {}

    def compose(self) -> ComposeResult:
        """A title, each field with a line for its refusal, and a remark."""
        yield Lines(id="form-title")
        with VerticalScroll(can_focus=False):
            for name, (title, placeholder) in TEXTS.items():
                with Horizontal(classes="field"):
                    yield Label(f" {title}", markup=False)
                    yield Field(
                        id=f"form-{name}",
                        placeholder=placeholder,
                        is_password=name in MASKED,
                        submit=self._next_field,
                    )
                yield Lines(id=f"form-{name}-refusal")
            for name, (title, words) in CHOICES.items():
                with Horizontal(classes="field", id=f"form-{name}-field"):
                    yield Label(f" {title}", markup=False)
                    yield Choices(words, id=f"form-{name}", is_single=name in FIRST)
                yield Lines(id=f"form-{name}-refusal")
        yield Lines(id="form-remark")

    def open(self, integration_id: UUID | None, field: str) -> None:
        """Edit this one, or make one; `field` gets the keys."""
        self.forget()
        self._integration_id = integration_id
        self.query_one("#form-key", Field).disabled = integration_id is not None
        self.query_one("#form-state-field").display = integration_id is None
        self.draw()
        self.screen.set_focus(self.query_one(f"#form-{field}"))
        if integration_id is not None:
            self._read(integration_id)

    def take_keys(self) -> None:
        """The first field that can be typed into gets the keys."""
        fields = (one for one in self.query(Field) if not one.disabled)
        self.screen.set_focus(next(fields, None))

    def draw(self) -> None:
        """Draw the title."""
        what = "New integration" if self._integration_id is None else "Edit …"
        if self._before is not None:
            what = f"Edit {visible(self._before.integration_key)}"
        self.query_one("#form-title", Lines).show([(Span(f" {what}", "bold"),)])

    def doubt(self) -> str:
        """What was typed and not saved would be lost."""
        return "Throw away what was typed?" if self._values() != self._untouched else ""

    def forget(self) -> None:
        """Empty every field."""
        super().forget()
        self._integration_id, self._before, self._is_conflict = None, None, False
        for name, (_, placeholder) in TEXTS.items():
            self._input(name).value = ""
            self._input(name).placeholder = placeholder
        for name in CHOICES:
            self._choices(name).tick_only({FIRST[name]} if name in FIRST else ())
        self._refuse({}, "")
        self._untouched = self._values()

    def anew(self) -> None:
        """After a conflict: take what the other one saved."""
        if self._is_conflict and self._integration_id is not None:
            self._read(self._integration_id)

    def action_back(self) -> None:
        """Leave; the app asks if something would be lost."""
        self.tell(Left())

    def action_save(self) -> None:
        """Save, unless a save is on its way or a field is not understood."""
        if self._is_saving:
            return
        if self._integration_id is not None and self._before is None:
            self.tell(Said("✗ Not saved: it has not been read yet.", "bad"))
            return
        try:
            before = self._before
            if before is None:
                self._make(self._new())
                return
            change = self._change(before)
        except NotUnderstoodError:
            return
        lost = self._lost(before)
        if lost:
            dropped = visible(", ".join(lost), limit=100)
            question = f"The new config drops {dropped}. Save?"
            self.tell(Asked(question, lambda: self._save(before, change)))
        else:
            self._save(before, change)

    def _next_field(self) -> None:
        self.screen.focus_next()

    @work(exclusive=True, group="read")
    async def _read(self, integration_id: UUID) -> None:
        try:
            found = await self.desk.server.integration(integration_id)
        except GuardianError as error:
            self.tell(Said(f"✗ Not read: {visible(error.detail)}", "bad"))
        else:
            if integration_id == self._integration_id:
                self._fill(found)

    @work(group="save")
    async def _make(self, new: NewIntegration) -> None:
        self._is_saving = True
        try:
            made = await self.desk.server.create_integration(new)
        except GuardianError as error:
            self._take_refusal(error)
            return
        finally:
            self._is_saving = False
        key = visible(made.integration_key)
        self.forget()
        self.tell(Left())
        if made.signing_secret:
            self.tell(SecretShown(f"Signing secret of {key}", made.signing_secret))
        self.tell(Said(f"✓ {key} is made.", "good"))

    @work(group="save")
    async def _save(self, before: Integration, change: IntegrationChange) -> None:
        self._is_saving = True
        try:
            changed = await self.desk.server.update_integration(
                before.id, change, version=before.version
            )
        except VersionMismatchError as error:
            await self._show_conflict(before.id, error)
            return
        except GuardianError as error:
            self._take_refusal(error)
            return
        finally:
            self._is_saving = False
        self.forget()
        self.tell(Left())
        self.tell(Said(f"✓ {visible(changed.integration_key)} is saved.", "good"))

    async def _show_conflict(self, integration_id: UUID, refusal: GuardianError) -> None:
        """Both versions: the other one's in the remark, one's own in the fields."""
        try:
            theirs = await self.desk.server.integration(integration_id)
        except GuardianError:
            self._take_refusal(refusal)
            return
        self._before, self._is_conflict = theirs, True
        now = f"{visible(theirs.label, limit=30)}; {', '.join(theirs.scopes)}"
        self._refuse({}, f"▲ Theirs: {now}")
        self.tell(
            Said("▲ Changed meanwhile: ctrl+s saves yours over it, ctrl+r takes theirs.", "warn")
        )

    def _take_refusal(self, error: GuardianError) -> None:
        """Each refused path to its field, the rest to the message line; nothing typed is lost."""
        told: dict[str, str] = {}
        rest: list[str] = []
        if isinstance(error, AddressRefusedError):
            told["url"] = error.detail
        elif isinstance(error, InvalidError) and error.errors:
            for one in error.errors:
                names = (FIELD_OF[path] for path in FIELD_OF if one.path.startswith(path))
                name = next(names, None)
                if name is None:
                    rest.append(f"{one.path}: {one.message}")
                else:
                    told[name] = f"{told.get(name, '')} {one.message}".strip()
        else:
            rest.append(error.detail)
        self._refuse(told, "")
        why = visible(" ".join(rest), limit=300) or "the reasons stand below the fields."
        self.tell(Said(f"✗ Not saved: {why}", "bad"))
        for name in told:
            self.screen.set_focus(self.query_one(f"#form-{name}"))
            break

    def _refuse(self, told: Mapping[str, str], remark: str) -> None:
        for name in (*TEXTS, *CHOICES):
            line = self.query_one(f"#form-{name}-refusal", Lines)
            line.display = name in told
            line.show([(Span(f"   ✗ {visible(told.get(name, ''), limit=300)}", "bad"),)])
        self.query_one("#form-remark", Lines).show([(Span(f" {remark}", "warn"),)])

    def _fill(self, found: Integration) -> None:
        """The fields of what is kept; the URL is sealed, and may have been typed already."""
        is_first = self._before is None
        self._before, self._is_conflict = found, False
        config = found.config_summary
        for name in ("label", "description"):
            self._input(name).value = visible(getattr(found, name))
        self._input("key").value = visible(found.integration_key)
        hint = f"{visible(config.webhook_host)}/…{visible(config.url_hint)}"
        self._input("url").placeholder = f"stays {hint} while this is empty"
        self._choices("scopes").tick_only(found.scopes)
        self._choices("format").tick_only({config.format})
        self._choices("signature").tick_only({config.signature})
        self._refuse({}, "")
        self._untouched = self._values() | dict.fromkeys(("url", *MASKED, "headers"), "")
        if not is_first:
            self.tell(Said("Theirs is shown.", ""))
        self.draw()

    def _new(self) -> NewIntegration:
        return NewIntegration(
            integration_key=self._text("key"),
            label=self._text("label"),
            description=self._text("description"),
            is_enabled=self._choices("state").ticked == ("on",),
            scopes=[Scope(one) for one in self._choices("scopes").ticked],
            config=self._config(None),
        )

    def _change(self, before: Integration) -> IntegrationChange:
        """Only what differs."""
        wanted: dict[str, Any] = {
            name: self._text(name)
            for name in ("label", "description")
            if self._text(name) != visible(getattr(before, name)).strip()
        }
        scopes = [Scope(one) for one in self._choices("scopes").ticked]
        if set(scopes) != set(before.scopes):
            wanted["scopes"] = scopes
        if self._text("url"):
            wanted["config"] = self._config(before)
        elif self._values_of_config() != self._values_of_config(before):
            self._refuse({"url": "Type the URL again: a config is replaced whole."}, "")
            raise NotUnderstoodError
        return IntegrationChange(**wanted)

    def _config(self, before: Integration | None) -> IntegrationConfig:
        """How it is sent; what a form cannot show, from a template to a rate, stays."""
        kept = before.config_summary if before else None
        ticked = self._choices("format").ticked
        template = kept.template if kept and not ticked else None
        return IntegrationConfig(
            webhook_url=self._text("url"),
            format=PayloadFormat(ticked[0]) if ticked else PayloadFormat.TEMPLATE,
            template=None if template is None else msgspec.convert(template, Template),
            subject=kept is not None and kept.subject is not None,
            headers=self._headers("headers"),
            secret_headers=self._headers("secret_headers"),
            auth=self._auth(),
            signature=self._choices("signature").ticked[0],
            digest=kept.digest if kept and ticked == (str(kept.format),) else Digest.OFF,
            ordered=kept is not None and kept.ordered,
            rate_per_second=kept.rate_per_second if kept else None,
            retry_schedule=kept.retry_schedule if kept else None,
        )

    def _values_of_config(self, before: Integration | None = None) -> tuple[object, ...]:
        """What the fields say of the config, or would say if they were untouched."""
        if before is not None:
            config = before.config_summary
            known = (str(config.format),) if config.format in FORMATS else ()
            return ("", "", "", known, (config.signature,))
        texts = (self._text(name) for name in ("headers", "secret_headers", "auth"))
        return (*texts, self._choices("format").ticked, self._choices("signature").ticked)

    def _lost(self, before: Integration) -> list[str]:
        """What the new config no longer holds, since it was not typed again."""
        if not self._text("url"):
            return []
        config = before.config_summary
        typed = {*self._headers("headers"), *self._headers("secret_headers")}
        names = [*config.header_names, *config.secret_header_names]
        lost = [name for name in names if name.lower() not in typed]
        if config.auth_kind is not AuthKind.NONE and not self._text("auth"):
            lost.append(f"its {config.auth_kind} authorisation")
        if config.client_certificate is not None:
            lost.append("its client certificate")
        return lost

    def _headers(self, name: str) -> dict[str, str]:
        headers: dict[str, str] = {}
        for part in filter(None, (one.strip() for one in self._text(name).split(";"))):
            header, colon, value = part.partition(":")
            if not colon:
                self._refuse({name: "Write it as name: value; name: value."}, "")
                raise NotUnderstoodError
            headers[header.strip().lower()] = value.strip()
        return headers

    def _auth(self) -> AuthConfig | None:
        match self._text("auth").split():
            case []:
                return None
            case ["bearer", token]:
                return AuthConfig(kind=AuthKind.BEARER, token=token)
            case ["basic", username, password]:
                return AuthConfig(kind=AuthKind.BASIC, username=username, password=password)
            case ["header", name, value]:
                return AuthConfig(kind=AuthKind.HEADER, name=name, value=value)
            case _:
                self._refuse({"auth": f"Write it as {TEXTS['auth'][1]}."}, "")
                raise NotUnderstoodError

    def _values(self) -> dict[str, object]:
        texts: dict[str, object] = {name: self._text(name) for name in TEXTS}
        return texts | {name: self._choices(name).ticked for name in CHOICES}

    def _text(self, name: str) -> str:
        return self._input(name).value.strip()

    def _input(self, name: str) -> Field:
        return self.query_one(f"#form-{name}", Field)

    def _choices(self, name: str) -> Choices:
        return self.query_one(f"#form-{name}", Choices)
