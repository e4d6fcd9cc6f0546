"""Configuration: environment in, frozen structs out, once, at the front door.

Only the `__main__` modules, `shared.runtime` and the Piccolo configuration call `load`. Everyone
else receives the struct, or the one value it needs, as an argument, so a test never patches the
environment.

A variable `NAME` may also be given as `NAME_FILE`, the path of a file that holds its value, so that
a secret need not stand in the environment.
"""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, NamedTuple, TypeVar, get_type_hints

import msgspec
from msgspec import Meta

from shared.errors import SettingError

S = TypeVar("S", bound=msgspec.Struct)


class DatabaseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the facts live."""

    database_url: Annotated[
        str,
        Meta(
            description="PostgreSQL for the API or the worker. The login must be, or be a member "
            "of, `guardian_api` and `guardian_operator` (API) or `guardian_worker` (worker), and "
            "own nothing."
        ),
    ]
    database_admin_url: Annotated[
        str | None,
        Meta(
            description="PostgreSQL as the owner of the tables; only `guardian migrate` and "
            "`guardian up` use it."
        ),
    ] = None
    guardian_database_pool_size: Annotated[
        int, Meta(ge=1, le=200, description="Connections each process keeps.")
    ] = 10
    guardian_database_prepares: Annotated[
        bool,
        Meta(
            description="Whether connections keep prepared statements. `false` behind PgBouncer in "
            "transaction mode, unless it is 1.21 or newer with `max_prepared_statements` set."
        ),
    ] = True


class RedisSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the reminders go."""

    redis_url: Annotated[
        str,
        Meta(
            description="Redis or Valkey: `redis://host:6379/0`, `rediss://…` or `unix:///path`. "
            "Losing it costs time, never a delivery."
        ),
    ]


class SealSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What seals the secrets at rest."""

    guardian_key_ring: Annotated[
        str,
        Meta(
            description="`id:base64` pairs of 32 bytes, separated by commas; the first seals, "
            "all open. Keep it apart from the database's backups."
        ),
    ]


class PepperSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What API keys are hashed under."""

    guardian_key_pepper: Annotated[
        str,
        Meta(
            min_length=16,
            description="The key under which API keys are hashed. Changing it revokes every key.",
        ),
    ]


class EgressSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where webhooks may go."""

    guardian_egress_allow_nets: Annotated[
        str,
        Meta(
            description="Networks, separated by commas, that are allowed although they are "
            "private, such as `10.1.0.0/16`. Empty in production unless receivers stand in your "
            "own network."
        ),
    ] = ""
    guardian_egress_allow_http: Annotated[
        bool, Meta(description="Whether `http://` URLs are accepted beside `https://`.")
    ] = False
    guardian_egress_allow_ports: Annotated[
        str, Meta(description="Ports, separated by commas, that a URL may name; `*` allows all.")
    ] = "443"
    guardian_egress_ca_file: Annotated[
        str | None,
        Meta(description="Certificate authorities (PEM) to trust instead of the shipped ones."),
    ] = None


class ApiSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the API listens."""

    guardian_api_host: Annotated[str, Meta(description="Address to listen on.")] = "127.0.0.1"
    guardian_api_port: Annotated[int, Meta(ge=1, le=65535, description="Port to listen on.")] = 8080


class LimitSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How often the API may be asked."""

    guardian_rate_per_key: Annotated[
        int,
        Meta(
            ge=0,
            description="Requests a minute of one key, over all API processes together; 0: no "
            "limit. Above it: 429 with `Retry-After`.",
        ),
    ] = 120_000
    guardian_rate_per_address: Annotated[
        int,
        Meta(
            ge=0, description="Requests a minute of one address (IPv6: one /64), whatever its keys."
        ),
    ] = 240_000
    guardian_rate_failures: Annotated[
        int,
        Meta(
            ge=0,
            description="Requests a minute of one address with keys that are not good; keys that "
            "were good before are heard all the same.",
        ),
    ] = 600
    guardian_trusted_proxies: Annotated[
        str,
        Meta(
            description="Addresses and networks, separated by commas, of the reverse proxies "
            "whose `X-Forwarded-For` tells the caller's address; empty: none."
        ),
    ] = "127.0.0.1,::1"


class WorkerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the worker delivers."""

    guardian_worker_in_flight: Annotated[
        int, Meta(ge=1, le=4096, description="Requests in flight at once, in all.")
    ] = 256
    guardian_worker_lease_seconds: Annotated[
        float,
        Meta(ge=1, le=300, description="How long a silent worker keeps its share of the work."),
    ] = 15.0
    guardian_worker_look_seconds: Annotated[
        float,
        Meta(ge=0.05, le=60, description="How often the worker looks for due work unasked."),
    ] = 1.0
    guardian_worker_drain_seconds: Annotated[
        float,
        Meta(ge=0, le=300, description="How long SIGTERM waits for requests in flight."),
    ] = 20.0
    guardian_worker_metrics_host: Annotated[
        str, Meta(description="Address at which `/metrics` of the worker listens.")
    ] = "127.0.0.1"
    guardian_worker_metrics_port: Annotated[
        int,
        Meta(
            ge=0, le=65535, description="Port of the worker's `/metrics`, one per worker; 0: none."
        ),
    ] = 0


class RetentionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How long history is kept."""

    guardian_retention_days: Annotated[
        int,
        Meta(
            ge=31,
            le=36_500,
            description="Events and attempts go, a whole month at a time, once all of the month "
            "is older; what is undelivered stays, and so do the counters.",
        ),
    ] = 90


class AiSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Whether and how a model may choose a narrative's words."""

    anthropic_api_key: Annotated[
        str | None,
        Meta(
            description="The provider's key; only the worker needs it. Without it rules write "
            "every narrative. A tenant's admin must switch the model on besides."
        ),
    ] = None
    guardian_ai_model: Annotated[
        str, Meta(pattern=r"^[a-z0-9][a-z0-9.-]{0,63}$", description="Which model is asked.")
    ] = "claude-haiku-5-5"
    guardian_ai_effort: Annotated[
        str,
        Meta(
            pattern="^(|low|medium|high|xhigh|max)$",
            description="How hard the model thinks: `low` to `max`; the model's default if empty.",
        ),
    ] = ""
    guardian_ai_max_tokens: Annotated[
        int,
        Meta(ge=200, le=20_000, description="Tokens an answer may take, thinking included."),
    ] = 2000
    guardian_ai_base_url: Annotated[
        str,
        Meta(pattern="^https?://", description="Where the model is asked; never redirected."),
    ] = "https://api.anthropic.com"
    guardian_ai_deadline_seconds: Annotated[
        float, Meta(ge=1, le=300, description="How long one narrative may take, retries included.")
    ] = 45.0
    guardian_ai_tenant_calls_per_day: Annotated[
        int, Meta(ge=0, description="Calls one tenant may cause in a UTC day.")
    ] = 24
    guardian_ai_usd_per_month: Annotated[
        float, Meta(ge=0, description="What all tenants together may cost in a UTC month.")
    ] = 10.0
    guardian_ai_input_usd_per_million: Annotated[
        float, Meta(ge=0, description="Price of a million tokens read, for the cap and the record.")
    ] = 0.10
    guardian_ai_output_usd_per_million: Annotated[
        float,
        Meta(ge=0, description="Price of a million tokens written, for the cap and the record."),
    ] = 0.50


class TraceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where traces go."""

    guardian_traces_url: Annotated[
        str,
        Meta(
            pattern="^(https?://|$)",
            description="A collector that takes OTLP over HTTP in JSON, such as "
            "`http://127.0.0.1:4318/v1/traces`. Nothing is traced without it.",
        ),
    ] = ""
    guardian_traces_ratio: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="Of the requests without a `traceparent` of their own, the part that is "
            "traced; a producer that sends one decides for itself.",
        ),
    ] = 1.0
    guardian_traces_to_receivers: Annotated[
        bool,
        Meta(description="Whether receivers are sent a `traceparent`, to join the trace."),
    ] = False


class ConsoleSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the console and other clients find the API."""

    guardian_api_url: Annotated[
        str | None, Meta(description="The API's address, such as `http://127.0.0.1:8080`.")
    ] = None
    guardian_api_key: Annotated[str | None, Meta(description="A key of the tenant.")] = None


class RuntimeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the whole is run."""

    guardian_data_dir: Annotated[
        str | None,
        Meta(
            description="Data of the embedded servers. Default: the user's data folder, "
            "`/var/lib/guardian` as root."
        ),
    ] = None
    guardian_log_level: Annotated[
        str,
        Meta(pattern="^(debug|info|warning|error)$", description="How much the log says."),
    ] = "info"


GROUPS: tuple[type[msgspec.Struct], ...] = (
    DatabaseSettings,
    RedisSettings,
    SealSettings,
    PepperSettings,
    EgressSettings,
    ApiSettings,
    LimitSettings,
    WorkerSettings,
    RetentionSettings,
    AiSettings,
    TraceSettings,
    ConsoleSettings,
    RuntimeSettings,
)


class Variable(NamedTuple):
    """One environment variable, as `docs/settings.md` shows it."""

    name: str
    group: str
    description: str
    default: object
    is_required: bool


def variables() -> list[Variable]:
    """Every variable that Guardian reads, in the order of the groups."""
    return [
        Variable(
            name=field.name.upper(),
            group=(kind.__doc__ or "").rstrip("."),
            description=_description(kind, field.name),
            default=field.default,
            is_required=field.required,
        )
        for kind in GROUPS
        for field in msgspec.structs.fields(kind)
    ]


def load(kind: type[S], env: Mapping[str, str]) -> S:
    """Read `kind` from `env`.

    Raises:
        SettingError: a value is missing or does not fit, a file cannot be read, or a `GUARDIAN_`
            name is unknown; the sentence names the variable and never its value.
    """
    refuse_unknown(env)
    values: dict[str, str] = {}
    for field in msgspec.structs.fields(kind):
        value = _read(field.name.upper(), env)
        if value is not None:
            values[field.name] = value
        elif field.required:
            name = field.name.upper()
            raise SettingError(f"{name} is not set. {_description(kind, field.name)}")
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `$.")
        name = path.rstrip("`").upper() or kind.__name__
        raise SettingError(f"{name} does not fit: {reason[:1].lower()}{reason[1:]}.") from None


def refuse_unknown(env: Mapping[str, str]) -> None:
    """Stop at a misspelt `GUARDIAN_` name before it silently does nothing.

    Raises:
        SettingError: names the variable and its nearest match.
    """
    known = {variable.name for variable in variables()}
    for name in env:
        if not name.startswith("GUARDIAN_") or {name, name.removesuffix("_FILE")} & known:
            continue
        near = difflib.get_close_matches(name.removesuffix("_FILE"), sorted(known), n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]}?" if near else " See docs/settings.md."
        raise SettingError(f"{name} is not a setting of Guardian.{hint}")


def _read(name: str, env: Mapping[str, str]) -> str | None:
    if env.get(name):
        return env[name]
    path = env.get(f"{name}_FILE")
    if not path:
        return None
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingError(f"{name}_FILE cannot be read: {error.strerror}.") from None


def _description(kind: type[msgspec.Struct], field_name: str) -> str:
    hint = get_type_hints(kind, include_extras=True)[field_name]
    return next(
        (str(meta.description) for meta in getattr(hint, "__metadata__", ()) if meta.description),
        "",
    )
