"""What every refusal looks like (RFC 9457)."""

from shared.contracts.postures import Resource


class FieldProblem(Resource, frozen=True, kw_only=True):
    """One refused field; the message never repeats the refused value."""

    path: str
    kind: str
    message: str


class Problem(Resource, frozen=True, kw_only=True):
    """An `application/problem+json` body; `code` is what a program acts on."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[FieldProblem] | None = None
