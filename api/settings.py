"""What the API process is configured by."""

from collections.abc import Mapping
from dataclasses import dataclass

from api.rate_limits import Limits
from shared.domain.addresses import EgressRules
from shared.domain.sealing import KeyRing
from shared.settings import (
    AiSettings,
    ApiSettings,
    DatabaseSettings,
    EgressSettings,
    LimitSettings,
    PepperSettings,
    RedisSettings,
    RuntimeSettings,
    SealSettings,
    TraceSettings,
    load,
)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything, read and judged once at the start."""

    database: DatabaseSettings
    redis: RedisSettings
    api: ApiSettings
    ring: KeyRing
    pepper: str
    egress: EgressRules
    limits: Limits
    trusted_proxies: str
    ai_model: str
    ai_effort: str
    traces: TraceSettings
    log_level: str


def load_settings(env: Mapping[str, str]) -> Settings:
    """Read what the API needs.

    Raises:
        SettingError: names the variable that is missing or wrong.
    """
    ring = KeyRing.parse(load(SealSettings, env).guardian_key_ring)
    egress = load(EgressSettings, env)
    limits = load(LimitSettings, env)
    ai = load(AiSettings, env)
    return Settings(
        database=load(DatabaseSettings, env),
        redis=load(RedisSettings, env),
        api=load(ApiSettings, env),
        ring=ring,
        pepper=load(PepperSettings, env).guardian_key_pepper,
        egress=EgressRules.parse(
            nets=egress.guardian_egress_allow_nets,
            is_http_allowed=egress.guardian_egress_allow_http,
            ports=egress.guardian_egress_allow_ports,
        ),
        limits=Limits(
            per_key=limits.guardian_rate_per_key,
            per_address=limits.guardian_rate_per_address,
            failures=limits.guardian_rate_failures,
        ),
        trusted_proxies=limits.guardian_trusted_proxies,
        ai_model=ai.guardian_ai_model,
        ai_effort=ai.guardian_ai_effort,
        traces=load(TraceSettings, env),
        log_level=load(RuntimeSettings, env).guardian_log_level,
    )
