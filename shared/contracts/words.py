"""The tokens of the field: one word, one meaning, in the API, on the wire and on screen."""

from enum import StrEnum


class Scope(StrEnum):
    """The six domains; an integration's scopes say which of them it hears about."""

    READINESS = "readiness"
    UPLIFT = "uplift"
    EDITIONS = "editions"
    EXECUTIVE_REPORTS = "executive_reports"
    ADOPTION = "adoption"
    LIFECYCLE = "lifecycle"


class EventType(StrEnum):
    """What an event says has happened."""

    READINESS_UPDATED = "readiness_updated"
    UPLIFT_PLAN_CREATED = "uplift_plan_created"
    UPLIFT_PLAN_UPDATED = "uplift_plan_updated"
    EDITION_FIT_COMPUTED = "edition_fit_computed"
    EXECUTIVE_REPORT_CREATED = "executive_report_created"
    ADOPTION_SCORES_COMPUTED = "adoption_scores_computed"
    META_LIFECYCLE_RUN_COMPLETED = "meta_lifecycle_run_completed"
    TEST = "test"


SCOPE_OF: dict[EventType, Scope | None] = {
    EventType.READINESS_UPDATED: Scope.READINESS,
    EventType.UPLIFT_PLAN_CREATED: Scope.UPLIFT,
    EventType.UPLIFT_PLAN_UPDATED: Scope.UPLIFT,
    EventType.EDITION_FIT_COMPUTED: Scope.EDITIONS,
    EventType.EXECUTIVE_REPORT_CREATED: Scope.EXECUTIVE_REPORTS,
    EventType.ADOPTION_SCORES_COMPUTED: Scope.ADOPTION,
    EventType.META_LIFECYCLE_RUN_COMPLETED: Scope.LIFECYCLE,
    EventType.TEST: None,
}
"""The scope follows from the type, so the two cannot disagree; `test` ignores scopes."""


WEEKLY_DIGEST = "weekly_digest"
"""What a delivery carries where it carries no event of the eight, but a chat's week in words."""


class MessageType(StrEnum):
    """What a delivery carries: an event of one of the eight types, or a digest for a chat."""

    READINESS_UPDATED = "readiness_updated"
    UPLIFT_PLAN_CREATED = "uplift_plan_created"
    UPLIFT_PLAN_UPDATED = "uplift_plan_updated"
    EDITION_FIT_COMPUTED = "edition_fit_computed"
    EXECUTIVE_REPORT_CREATED = "executive_report_created"
    ADOPTION_SCORES_COMPUTED = "adoption_scores_computed"
    META_LIFECYCLE_RUN_COMPLETED = "meta_lifecycle_run_completed"
    TEST = "test"
    WEEKLY_DIGEST = WEEKLY_DIGEST


class Digest(StrEnum):
    """Whether a chat is told its week in one message: not, beside its events, or instead."""

    OFF = "off"
    WEEKLY = "weekly"
    WEEKLY_ONLY = "weekly_only"


class DeliveryStatus(StrEnum):
    """Where a delivery stands; the last two are final."""

    PENDING = "pending"
    FAILED = "failed"
    DELIVERED = "delivered"
    DISCARDED = "discarded"


class Role(StrEnum):
    """What a key may do."""

    READER = "reader"
    INGEST = "ingest"
    ADMIN = "admin"
    OPERATOR = "operator"


class Band(StrEnum):
    """Readiness by score: from 0, 40, 60 and 80."""

    BASELINE = "baseline"
    OPERATIONAL = "operational"
    MATURE = "mature"
    NETWORK_INTELLIGENT = "network_intelligent"


class CapabilityStatus(StrEnum):
    """How far one capability is set up."""

    NOT_CONFIGURED = "not_configured"
    PARTIAL = "partial"
    READY = "ready"
    ADVANCED = "advanced"


class Dimension(StrEnum):
    """What adoption is measured in."""

    CORE = "core"
    AI_INTELLIGENCE = "ai_intelligence"
    QA_CHAOS = "qa_chaos"
    NETWORK_INTELLIGENCE = "network_intelligence"
    GOVERNANCE = "governance"
    META = "meta"


class AdoptionStatus(StrEnum):
    """How much something is used; `unknown` where nothing was measured."""

    INACTIVE = "inactive"
    LIGHT = "light"
    REGULAR = "regular"
    POWER = "power"
    UNKNOWN = "unknown"


class SubDimensionStatus(StrEnum):
    """How much one sub-dimension is used."""

    INACTIVE = "inactive"
    LIGHT = "light"
    REGULAR = "regular"
    POWER = "power"


class FitStatus(StrEnum):
    """Edition fit by score: from 0, 25, 60 and 90."""

    NOT_STARTED = "not_started"
    EMERGING = "emerging"
    ALIGNED = "aligned"
    EXCEEDS = "exceeds"


class PlanStatus(StrEnum):
    """Where an uplift plan stands."""

    DRAFT = "draft"
    ACTIVE = "active"
    COMPLETED = "completed"
    ARCHIVED = "archived"


class TaskStatus(StrEnum):
    """Where a task of an uplift plan stands."""

    TODO = "todo"
    IN_PROGRESS = "in_progress"
    BLOCKED = "blocked"
    DONE = "done"


class Priority(StrEnum):
    """How much a task matters."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Category(StrEnum):
    """What part of the product a task is about."""

    CORE = "core"
    AI_INTELLIGENCE = "ai_intelligence"
    QA_CHAOS = "qa_chaos"
    NETWORK_INTELLIGENCE = "network_intelligence"
    GOVERNANCE = "governance"
    OTHER = "other"


class ReportType(StrEnum):
    """What period an executive report is about."""

    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
    CUSTOM = "custom"
    SNAPSHOT = "snapshot"


class Trend(StrEnum):
    """Which way a value went: at least one point, else flat; fewer than two values: unknown."""

    UP = "up"
    FLAT = "flat"
    DOWN = "down"
    UNKNOWN = "unknown"


class Freshness(StrEnum):
    """Whether a block's data is what one may rely on."""

    OK = "ok"
    STALE = "stale"
    MISSING = "missing"


class Granularity(StrEnum):
    """How long one period of the history is; weeks are ISO weeks, from Monday."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


class RiskCode(StrEnum):
    """What is at risk."""

    SCORE_LOW = "score_low"
    SCORE_DROP_4W = "score_drop_4w"
    ADOPTION_NARROW = "adoption_narrow"
    PLAN_STALLED = "plan_stalled"
    PLAN_BLOCKED = "plan_blocked"
    EDITION_MISFIT = "edition_misfit"
    DATA_STALE = "data_stale"
    REPORT_MISSING = "report_missing"


class Severity(StrEnum):
    """How soon a risk wants an answer."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class ActionCode(StrEnum):
    """The one action that answers a risk."""

    RAISE_WEAKEST_CAPABILITY = "raise_weakest_capability"
    REVIEW_LARGEST_LOSS = "review_largest_loss"
    ACTIVATE_NEXT_DIMENSION = "activate_next_dimension"
    RESUME_PLAN = "resume_plan"
    UNBLOCK_TASKS = "unblock_tasks"
    REVIEW_EDITION = "review_edition"
    CHECK_PRODUCER = "check_producer"
    PUBLISH_REPORT = "publish_report"


class PayloadFormat(StrEnum):
    """The shape in which an integration wants its events."""

    STANDARD = "standard"
    CLOUDEVENTS = "cloudevents"
    FLAT = "flat"
    SLACK = "slack"
    TEAMS = "teams"
    SEGMENT = "segment"
    TEMPLATE = "template"


class ReadyTemplate(StrEnum):
    """A receiver whose template Guardian brings along."""

    VITALLY = "vitally"
    PLANHAT = "planhat"
    HUBSPOT = "hubspot"
    GAINSIGHT = "gainsight"


class AuthKind(StrEnum):
    """How the receiver recognises Guardian, beside the signature."""

    NONE = "none"
    BEARER = "bearer"
    BASIC = "basic"
    HEADER = "header"
    OAUTH2 = "oauth2_client_credentials"


class ClientProof(StrEnum):
    """Where an OAuth 2.0 client shows its id and secret: by basic auth, or in the form."""

    HEADER = "header"
    BODY = "body"
