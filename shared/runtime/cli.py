"""The one command, `guardian`.

Here is only how it is called. What a command needs is imported when it runs, so that `--help`
answers at once. Exit codes: 0 done, 1 failed with a sentence on stderr, 2 called the wrong way.
"""

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn, Protocol
from uuid import UUID

from shared.errors import GuardianError
from shared.runtime import tether

Command = Callable[[argparse.Namespace, Mapping[str, str]], int]


class Commands(Protocol):
    """What argparse gives to add commands to; its own class has no public name."""

    def add_parser(
        self,
        name: str,
        *,
        help: str,  # noqa: A002 - argparse's word
        description: str = "",
    ) -> argparse.ArgumentParser:
        """A parser for the command `name`."""
        ...


PROCESSES: Mapping[str, str] = {
    "api": "serve the HTTP API",
    "worker": "deliver webhooks and keep house",
    "tui": "the console, on GUARDIAN_API_URL with GUARDIAN_API_KEY",
}
CLIENTS: Mapping[str, str] = {
    "status": "how the tenant stands, once, over the API",
    "tail": "deliveries as they go, a line each",
    "get": "one answer of the API, as JSON or CSV",
}
"""What the console knows to say without a screen; their options are theirs."""

ROLES = ("reader", "ingest", "admin", "operator")
STREAMS = (
    "readiness_snapshots",
    "readiness_capabilities",
    "adoption_scores",
    "uplift_plans",
    "edition_fits",
    "executive_reports",
    "lifecycle_runs",
    "deletions",
)
MAX_PORT = 65535
MAX_DELAY_S = 3600
FAILED = 1
INTERRUPTED = 130


def main() -> NoReturn:
    """Run the command that the command line names, and exit."""
    sys.exit(run(sys.argv[1:], os.environ))


def run(arguments: Sequence[str], env: Mapping[str, str]) -> int:
    """Run one command and return its exit code; `--help` and wrong usage raise SystemExit."""
    if arguments and arguments[0] in CLIENTS:
        os.execv(sys.executable, [sys.executable, "-P", "-m", "tui.once", *arguments])
    if arguments and arguments[0] == "tui" and "--stop-with-parent" not in arguments:
        # It has options and a help page of its own, and a person waits for its first frame.
        os.execv(sys.executable, [sys.executable, "-P", "-m", *arguments])
    options, rest = _parser().parse_known_args(arguments)
    if rest and options.command not in PROCESSES:
        options.parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if getattr(options, "stop_with_parent", False):
        tether.tie(signal.SIGTERM, parent=os.getppid())
    try:
        if options.command in PROCESSES:
            # The process takes our place, so signals and exit codes are its own.
            os.execv(sys.executable, [sys.executable, "-P", "-m", options.command, *rest])
        return _find(options.run)(options, env)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough; nothing may be flushed at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except GuardianError as error:
        sys.stderr.write(f"guardian: {error.detail}\n")
        return FAILED
    except Exception as error:  # noqa: BLE001 - a person gets a sentence, never a traceback
        text = " ".join(str(error).split())
        said = f"{type(error).__name__}: {text}" if text else type(error).__name__
        sys.stderr.write(f"guardian: This failed unexpectedly: {said}\n")
        return FAILED


def _find(name: str) -> Command:
    """The function `module:function` below `shared.runtime`."""
    module, _, function = name.partition(":")
    found: Command = getattr(importlib.import_module(f"shared.runtime.{module}"), function)
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="guardian",
        allow_abbrev=False,
        description="Guardian Z07: success metadata in, signed webhooks out.",
        epilog="Settings come from the environment: `guardian settings` lists them.",
    )
    parser.set_defaults(parser=parser)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_up(commands)
    for name, what in PROCESSES.items():
        process = _command(commands, name, what, "")
        _add_stop_with_parent(process)
    for name, what in CLIENTS.items():
        commands.add_parser(name, help=what)
    migrate = _command(
        commands,
        "migrate",
        "apply migrations as the owner of the tables",
        "database:migrate_command",
    )
    migrate.add_argument("--check", action="store_true", help="only look; exit 1 if any is pending")
    _add_data_dir(migrate)
    doctor = _command(commands, "doctor", "check the whole system", "doctor:command")
    _add_json(doctor)
    _add_data_dir(doctor)
    _add_tenants(commands)
    _add_keys(commands)
    _add_export(commands)
    _add_integrations(commands)
    _add_receiving(commands)
    rotate = _command(
        commands,
        "rotate-secrets",
        "seal every secret anew under the first key of the ring",
        "rotation:command",
    )
    _add_json(rotate)
    _add_data_dir(rotate)
    _add_operations(commands)
    _command(commands, "settings", "print docs/settings.md", "settings_page:command")
    return parser


def _command(commands: Commands, name: str, what: str, run: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=what, description=f"{what[:1].upper()}{what[1:]}.")
    parser.set_defaults(run=run, parser=parser)
    return parser


def _group(commands: Commands, name: str, what: str) -> Commands:
    parser = commands.add_parser(name, help=what, description=f"{what[:1].upper()}{what[1:]}.")
    return parser.add_subparsers(dest="subcommand", required=True, metavar="COMMAND")


def _add_up(commands: Commands) -> None:
    up = _command(commands, "up", "start the whole system, then the console", "up:command")
    up.add_argument("--headless", action="store_true", help="no console; run until SIGTERM")
    up.add_argument(
        "--demo", action="store_true", help="with sample tenants, 18 months of history, a receiver"
    )
    up.add_argument(
        "--port", type=_port, help="where the API listens (0: any free port; default 8080)"
    )
    up.add_argument(
        "--ready-file", type=Path, metavar="FILE", help="write addresses and keys there when ready"
    )
    _add_data_dir(up)
    _add_stop_with_parent(up)


def _add_tenants(commands: Commands) -> None:
    tenants = _group(commands, "tenants", "make, list and delete tenants")
    create = _command(tenants, "create", "make a tenant", "operators:create_tenant")
    create.add_argument("name", help="what people call it")
    listing = _command(tenants, "list", "list tenants, newest first", "operators:list_tenants")
    delete = _command(
        tenants, "delete", "delete a tenant and all its data", "operators:delete_tenant"
    )
    delete.add_argument("tenant_id", type=UUID, help="its id")
    delete.add_argument("--yes", action="store_true", help="do not ask")
    retention = _command(
        tenants,
        "retention",
        "keep a tenant's events and attempts for less long than all others'",
        "operators:set_retention",
    )
    retention.add_argument("tenant_id", type=UUID, help="its id")
    kept = retention.add_mutually_exclusive_group(required=True)
    kept.add_argument("--days", type=_days, metavar="DAYS", help="what is older goes at night")
    kept.add_argument("--default", action="store_true", help="as long as all others'")
    for one in (create, listing, delete, retention):
        _add_json(one)
        _add_data_dir(one)


def _add_keys(commands: Commands) -> None:
    keys = _group(commands, "keys", "make, list and revoke keys")
    create = _command(keys, "create", "make a key and show it this once", "operators:create_key")
    create.add_argument("--role", choices=ROLES, required=True, help="what it may do")
    create.add_argument("--label", required=True, help="what it is for")
    create.add_argument("--expires-in-days", type=_days, metavar="DAYS", help="default: never")
    listing = _command(keys, "list", "list keys, newest first", "operators:list_keys")
    for one in (create, listing):
        one.add_argument(
            "--tenant", type=UUID, metavar="ID", help="whose; without it the operators' own"
        )
    revoke = _command(keys, "revoke", "refuse a key from now on", "operators:revoke_key")
    revoke.add_argument("key_id", type=UUID, help="the id of the key, not the key")
    for one in (create, listing, revoke):
        _add_json(one)
        _add_data_dir(one)


def _add_export(commands: Commands) -> None:
    export = _command(commands, "export", "write a tenant's rows to a file", "export:command")
    export.add_argument("stream", choices=STREAMS, help="which rows", metavar="STREAM")
    export.add_argument("--tenant", type=UUID, metavar="ID", help="whose")
    export.add_argument("--since", metavar="INSTANT", help="only what was stored from then on")
    export.add_argument("--format", choices=("jsonl", "csv"), default="jsonl", help="default jsonl")
    export.add_argument("--output", type=Path, metavar="FILE", help="default: standard output")
    _add_data_dir(export)


def _add_integrations(commands: Commands) -> None:
    integrations = _group(
        commands, "integrations", "carry integrations to another environment, without secrets"
    )
    export = _command(
        integrations,
        "export",
        "write what may be told of them, from GUARDIAN_API_URL",
        "integrations:export_command",
    )
    export.add_argument("--output", type=Path, metavar="FILE", help="default: standard output")
    taken = _command(
        integrations,
        "import",
        "make and change them as a file says, all or nothing",
        "integrations:import_command",
    )
    taken.add_argument("file", type=Path, metavar="FILE", help="what an export wrote")
    taken.add_argument(
        "--secrets", type=Path, metavar="FILE", help="URLs and credentials, by integration key"
    )
    taken.add_argument("--dry-run", action="store_true", help="only say what would change")
    _add_json(taken)
    for one in (export, taken):
        one.add_argument("--tenant", type=UUID, metavar="ID", help="whose, with an operator's key")


def _add_operations(commands: Commands) -> None:
    backup = _command(
        commands, "backup", "save the database, without the key ring", "backup:backup_command"
    )
    restore = _command(
        commands,
        "restore",
        "fill an empty database from a backup; deliveries stay paused",
        "backup:restore_command",
    )
    for one in (backup, restore):
        one.add_argument("file", type=Path, metavar="FILE", help="the backup")
        _add_data_dir(one)
    deliveries = _group(commands, "deliveries", "hold all deliveries back, or let them go on")
    status = _command(deliveries, "status", "say whether they go out", "lifecycle:status_command")
    pause = _command(deliveries, "pause", "begin no delivery", "lifecycle:pause_command")
    pause.add_argument("--reason", default="", metavar="TEXT", help="why, for those who ask")
    resume = _command(deliveries, "resume", "let them go on", "lifecycle:resume_command")
    lifecycle = _group(commands, "lifecycle", "let old history go")
    run = _command(
        lifecycle,
        "run",
        "drop the months older than GUARDIAN_RETENTION_DAYS now",
        "lifecycle:run_command",
    )
    run.add_argument("--dry-run", action="store_true", help="only say what would go")
    for one in (status, pause, resume, run):
        _add_json(one)
        _add_data_dir(one)


def _add_receiving(commands: Commands) -> None:
    listen = _command(commands, "listen", "receive webhooks and check them", "listen:command")
    listen.add_argument("--port", type=_port, default=9009, help="default 9009; 0: any free port")
    listen.add_argument(
        "--secret",
        action="append",
        default=[],
        metavar="whsec_…",
        help="may be repeated; any match verifies",
    )
    listen.add_argument(
        "--secret-file", type=Path, metavar="FILE", help="more secrets, read at each arrival"
    )
    listen.add_argument(
        "--fail",
        type=_failures,
        metavar="STATUS:N",
        help="answer STATUS to the first N, such as 503:2",
    )
    listen.add_argument(
        "--delay", type=_seconds, default=0.0, metavar="SECONDS", help="think before each answer"
    )
    _add_json(listen)
    _add_stop_with_parent(listen)
    verify = _command(commands, "verify", "check one signature by hand", "listen:verify_command")
    for name, what in (
        ("--secret", "whsec_… (or whpk_… for v1a)"),
        ("--id", "the header webhook-id"),
        ("--timestamp", "the header webhook-timestamp"),
        ("--signature", "the header webhook-signature"),
    ):
        verify.add_argument(name, required=True, help=what)
    verify.add_argument(
        "--body", type=Path, required=True, metavar="FILE", help="the raw body; - for stdin"
    )


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for a script")


def _add_data_dir(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data-dir", type=Path, metavar="DIR", help="where `guardian up` keeps its data"
    )


def _add_stop_with_parent(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--stop-with-parent",
        action="store_true",
        help="stop when the parent process ends",
    )


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= MAX_PORT:
        raise argparse.ArgumentTypeError(f"a port lies between 0 and {MAX_PORT}")
    return port


def _failures(text: str) -> tuple[int, int]:
    status, _, count = text.partition(":")
    if not (status.isdecimal() and count.isdecimal() and 400 <= int(status) <= 599):  # noqa: PLR2004 - the statuses of errors
        raise argparse.ArgumentTypeError("it looks like 503:2, with a status of 400 to 599")
    return int(status), int(count)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= MAX_DELAY_S:
        raise argparse.ArgumentTypeError(f"a delay lies between 0 and {MAX_DELAY_S} seconds")
    return seconds


def _days(text: str) -> int:
    days = int(text)
    if days < 1:
        raise argparse.ArgumentTypeError("a key lives for a day at least")
    return days


if __name__ == "__main__":
    main()
