"""A template is judged when it is saved, so that filling it in later cannot fail or leak."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from shared.contracts.templates import AcceptedWhen, Template
from shared.contracts.words import SCOPE_OF, EventType, Scope
from shared.domain import pii
from shared.domain.formats.answers import answer_path
from shared.domain.formats.paths import ACCOUNT, ROOTS, SUBJECT, is_known, is_whole, steps_of
from shared.domain.formats.template import DEFAULT_BODY, NEEDED, constant, is_path
from shared.errors import FieldError

MAXIMUM_DEPTH = 8
MAXIMUM_LEAVES = 200
MAXIMUM_WHOLES = 2
MAXIMUM_KEY_LENGTH = 64
MAXIMUM_TEXT_LENGTH = 256
MAXIMUM_BYTES = 16 * 1024
LARGEST_INTEGER = 2**53 - 1


def template_problems(
    template: Template, *, scopes: Sequence[Scope], has_subject: bool, path: str
) -> list[FieldError]:
    """Name everything that keeps a template from being used.

    Args:
        template: as it was sent.
        scopes: of the integration; a path must lead somewhere for each type they bring, and for
            `test`, if the same body serves it.
        has_subject: whether `$subject` has a value.
        path: where the template stands in the request.
    """
    problems: list[FieldError] = []
    if (template.ready is None) == (template.bodies is None):
        message = "Either `ready` or `bodies` is expected."
        problems.append(FieldError(path, "malformed", message))
    if template.ready is not None and template.account is None:
        message = "A ready template needs it: under what the receiver knows this customer."
        problems.append(FieldError(f"{path}.account", "missing", message))
    if template.account is not None:
        problems += _text_problems(template.account, f"{path}.account")
    if template.accepted_when is not None:
        problems += _rule_problems(template.accepted_when, f"{path}.accepted_when")
    if template.bodies is not None:
        problems += _bodies_problems(
            template.bodies,
            _served(template.bodies, scopes),
            _Setting(has_subject=has_subject, has_account=template.account is not None),
            f"{path}.bodies",
        )
    return problems


@dataclass(frozen=True, slots=True)
class _Setting:
    has_subject: bool
    has_account: bool


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A constant, a path or a key.

    Attributes:
        depth: how many objects and lists are around it.
        is_in_list: whether one of them is a list.
    """

    value: object
    place: str
    depth: int
    is_in_list: bool


def _served(bodies: Mapping[str, Any], scopes: Sequence[Scope]) -> dict[str, list[EventType]]:
    """Which of the integration's types each body is for; under an empty name those without one."""
    served: dict[str, list[EventType]] = {name: [] for name in bodies}
    for event_type in EventType:
        if SCOPE_OF[event_type] is None or SCOPE_OF[event_type] in scopes:
            name = event_type if event_type in bodies else DEFAULT_BODY
            served.setdefault(name if name in bodies else "", []).append(event_type)
    return served


def _bodies_problems(
    bodies: Mapping[str, Any],
    served: Mapping[str, Sequence[EventType]],
    setting: _Setting,
    path: str,
) -> Iterator[FieldError]:
    if len(msgspec.json.encode(bodies)) > MAXIMUM_BYTES:
        yield FieldError(path, "too_large", f"At most {MAXIMUM_BYTES} bytes are accepted.")
        return
    missing = served.get("", ())
    if missing:
        message = f"There is no body for {', '.join(missing)}, and no `{DEFAULT_BODY}`."
        yield FieldError(path, "missing", message)
    for name, shape in bodies.items():
        if name != DEFAULT_BODY and name not in list(EventType):
            message = f"Bodies are named after an event type or `{DEFAULT_BODY}`."
            yield FieldError(path, "unknown_field", message)
        elif not isinstance(shape, dict | list):
            message = "A body is an object or a list."
            yield FieldError(f"{path}.{name}", "malformed", message)
        else:
            types = served[name] or ([] if name == DEFAULT_BODY else [EventType(name)])
            yield from _body_problems(cast("object", shape), types, setting, f"{path}.{name}")


def _body_problems(
    shape: object, types: Sequence[EventType], setting: _Setting, path: str
) -> Iterator[FieldError]:
    wholes = 0
    for count, leaf in enumerate(_leaves(shape, path, depth=0, is_in_list=False), start=1):
        if count > MAXIMUM_LEAVES:
            yield FieldError(path, "too_large", f"At most {MAXIMUM_LEAVES} values are accepted.")
            return
        if leaf.depth > MAXIMUM_DEPTH:
            message = f"At most {MAXIMUM_DEPTH} levels are accepted."
            yield FieldError(path, "too_deep", message)
            return
        if isinstance(leaf.value, str) and is_path(leaf.value):
            problem = _path_problem(leaf, types, setting)
            if problem is not None:
                yield problem
            elif any(is_whole(leaf.value.removesuffix(NEEDED), one) for one in types):
                wholes += 1
        else:
            yield from _constant_problems(leaf)
    if wholes > MAXIMUM_WHOLES:
        message = f"At most {MAXIMUM_WHOLES} paths may name a whole object or list."
        yield FieldError(path, "too_large", message)


def _leaves(shape: object, place: str, *, depth: int, is_in_list: bool) -> Iterator[_Leaf]:
    """Everything there is to judge; below the deepest level allowed nothing is looked at."""
    if depth > MAXIMUM_DEPTH:
        yield _Leaf(None, place, depth, is_in_list)
        return
    match shape:
        case dict():
            for name, one in cast("dict[str, Any]", shape).items():
                # The name is a constant, too; where it may not leave, it is not answered either.
                key = _Key(name)
                yield _Leaf(key, place, depth, is_in_list)
                inside = place if any(_key_problems(key, place)) else f"{place}.{name}"
                yield from _leaves(one, inside, depth=depth + 1, is_in_list=is_in_list)
        case list():
            for index, one in enumerate(cast("list[Any]", shape)):
                yield from _leaves(one, f"{place}[{index}]", depth=depth + 1, is_in_list=True)
        case _:
            yield _Leaf(shape, place, depth, is_in_list)


@dataclass(frozen=True, slots=True)
class _Key:
    name: str


def _path_problem(leaf: _Leaf, types: Sequence[EventType], setting: _Setting) -> FieldError | None:
    text = str(leaf.value)
    path = text.removesuffix(NEEDED)
    try:
        root = steps_of(path)[0]
    except ValueError:
        message = "A path looks like $data.dimensions[core].score; a constant begins with $$."
        return FieldError(leaf.place, "malformed", message)
    lost = next((one for one in types if not is_known(path, one)), None)
    if lost is not None:
        message = f"There is no {path} in {lost}."
        if path[1:].split(".")[0].split("[")[0] not in ROOTS:
            message = f"There is no {path}: paths begin with ${', $'.join(sorted(ROOTS))}."
        return FieldError(leaf.place, "unknown_path", message)
    unset = {SUBJECT: not setting.has_subject, ACCOUNT: not setting.has_account}
    name = getattr(root, "name", "")
    if unset.get(name, False):
        message = f"${name} has no value: the integration's config does not set it."
        return FieldError(leaf.place, "unknown_path", message)
    if text.endswith(NEEDED) and not leaf.is_in_list:
        message = "Only what stands in a list can be needed: there is no entry to leave out."
        return FieldError(leaf.place, "malformed", message)
    return None


def _constant_problems(leaf: _Leaf) -> Iterator[FieldError]:
    match leaf.value:
        case _Key():
            yield from _key_problems(leaf.value, leaf.place)
        case str():
            yield from _text_problems(constant(leaf.value), leaf.place)
        case bool() | None:
            return
        case int() if abs(leaf.value) > LARGEST_INTEGER:
            yield FieldError(leaf.place, "out_of_range", "Not every reader of JSON could read it.")
        case _:
            yield from _text_problems(str(leaf.value), leaf.place)


def _key_problems(key: _Key, place: str) -> Iterator[FieldError]:
    if not 0 < len(key.name) <= MAXIMUM_KEY_LENGTH:
        message = f"A name has 1 to {MAXIMUM_KEY_LENGTH} characters."
        yield FieldError(place, "out_of_range", message)
    elif is_path(key.name):
        yield FieldError(place, "malformed", "A name cannot be a path.")
    else:
        yield from _text_problems(key.name, place)


def _text_problems(text: str, place: str) -> Iterator[FieldError]:
    if len(text) > MAXIMUM_TEXT_LENGTH:
        message = f"A text has at most {MAXIMUM_TEXT_LENGTH} characters."
        yield FieldError(place, "too_long", message)
    elif not text.isprintable():
        yield FieldError(place, "malformed", "Only printable characters are accepted.")
    elif kind := pii.find(text):
        message = f"It looks like {kind}, which must not leave: take it out."
        yield FieldError(place, "personal_data", message)


def _rule_problems(asked: AcceptedWhen, path: str) -> Iterator[FieldError]:
    if asked.path is not None:
        try:
            answer_path(asked.path)
        except ValueError:
            message = "A path looks like $.results[0].status."
            yield FieldError(f"{path}.path", "malformed", message)
    if (asked.path is None) != (asked.equals is None):
        yield FieldError(path, "malformed", "`path` and `equals` are given together.")
