"""What the worker process is configured by."""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.domain.addresses import EgressRules
from shared.domain.sealing import KeyRing
from shared.settings import (
    AiSettings,
    DatabaseSettings,
    EgressSettings,
    RedisSettings,
    RetentionSettings,
    RuntimeSettings,
    SealSettings,
    TraceSettings,
    WorkerSettings,
    load,
)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything, read and judged once at the start."""

    database: DatabaseSettings
    redis: RedisSettings
    worker: WorkerSettings
    ai: AiSettings
    traces: TraceSettings
    retention_days: int
    ring: KeyRing
    egress: EgressRules
    ca_file: str | None
    log_level: str


def load_settings(env: Mapping[str, str]) -> Settings:
    """Read what the worker needs.

    Raises:
        SettingError: names the variable that is missing or wrong.
    """
    egress = load(EgressSettings, env)
    return Settings(
        database=load(DatabaseSettings, env),
        redis=load(RedisSettings, env),
        worker=load(WorkerSettings, env),
        ai=load(AiSettings, env),
        traces=load(TraceSettings, env),
        retention_days=load(RetentionSettings, env).guardian_retention_days,
        ring=KeyRing.parse(load(SealSettings, env).guardian_key_ring),
        egress=EgressRules.parse(
            nets=egress.guardian_egress_allow_nets,
            is_http_allowed=egress.guardian_egress_allow_http,
            ports=egress.guardian_egress_allow_ports,
        ),
        ca_file=egress.guardian_egress_ca_file,
        log_level=load(RuntimeSettings, env).guardian_log_level,
    )
