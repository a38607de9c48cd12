"""MLflow's store, opened by one process at a time and told plainly when it does not answer; and a model's files, wherever they are kept."""

from __future__ import annotations

import hashlib
import logging
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import mlflow
import sqlalchemy
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import SQLAlchemyError

from outfitter.errors import HomeError, ModelError
from outfitter.lake.s3 import told
from outfitter.settings import Settings

OPENING = 0x0F17  # any number, as long as all use the same
PATIENCE = "60s"
"""How long to wait for another process that is making MLflow's tables."""


def open_experiment(settings: Settings, name: str) -> tuple[MlflowClient, str]:
    """MLflow's store and the id of the experiment ``name``, made when it is not there. Raises HomeError when the store cannot be used."""
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # whatever it tells as an error it also raises
    mlflow.set_tracking_uri(settings.tracking_uri)
    try:
        with _first_of_all(settings):
            client = MlflowClient(settings.tracking_uri)
            found = client.get_experiment_by_name(name) or client.get_experiment(client.create_experiment(name, settings.artifact_root))
    except (SQLAlchemyError, MlflowException, ImportError) as error:
        raise HomeError(*_explained(settings, error)) from error
    _refuse_another_root(settings, name, found.artifact_location)
    return client, str(found.experiment_id)


@contextmanager
def _first_of_all(settings: Settings) -> Iterator[None]:
    """Whether a database server answers is found out here, at the first try: MLflow would try ten times, for 100 seconds.

    PostgreSQL lets in one process after the other, so that two that find an empty database do not both make its tables; a file in the
    home is guarded by the home's lock, a tracking server guards itself.
    """
    if settings.tracking_server or settings.tracking_uri.startswith("sqlite"):
        yield
        return
    engine = sqlalchemy.create_engine(settings.tracking_uri, poolclass=sqlalchemy.pool.NullPool)
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sqlalchemy.text(f"SET LOCAL lock_timeout = '{PATIENCE}'"))
            connection.execute(sqlalchemy.select(sqlalchemy.func.pg_advisory_xact_lock(OPENING)))
        yield


def _explained(settings: Settings, error: Exception) -> tuple[str, str]:
    reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0].replace(settings.tracking_uri, settings.tracking_uri_shown)
    if settings.tracking_server:
        return f"MLflow's server '{settings.tracking_uri_shown}' cannot be used: {reason}", "Start it, or mend the setting mlflow_uri."
    if settings.mlflow_uri:
        return (
            f"MLflow's database '{settings.tracking_uri_shown}' cannot be used: {reason}",
            "Start the server, or mend the setting mlflow_uri.",
        )
    return (
        f"MLflow's database '{settings.home / 'mlflow' / 'mlflow.db'}' cannot be read: {reason}",
        "Restore it from a backup, or start a new home.",
    )


def _refuse_another_root(settings: Settings, name: str, location: str) -> None:
    """An experiment keeps the place it was made with, whatever the setting says later."""
    if settings.mlflow_artifacts and location.rstrip("/") != settings.artifact_root:
        raise HomeError(
            f"MLflow's experiment '{name}' keeps its artifacts in '{location}', not in '{settings.mlflow_artifacts}'",
            "Set mlflow_artifacts as it was when the database was new, or name a new database in mlflow_uri.",
        )


def keeping(settings: Settings) -> AbstractContextManager[None]:
    """Artifacts are written or read inside: what S3 refuses becomes a HomeError."""
    return told(settings.artifact_root or settings.tracking_uri_shown, HomeError, settings.s3_endpoint)


def model_folder(settings: Settings, location: str, what: str) -> Path:
    """The local folder of a logged model, what ``models.load`` reads: where MLflow keeps it, or a copy in the home of what lies elsewhere.

    location: the URL of what MLflow logged. Raises ModelError, beginning with ``what``, when there is nothing.
    """
    parts = urlsplit(location)
    folder = Path(unquote(parts.path)) if parts.scheme == "file" else _copy(settings, location, what)
    model = folder / "artifacts" / "model"
    if not model.is_dir():
        raise ModelError(
            f"{what} cannot be found: there is no folder '{model}'",
            "MLflow keeps whole paths: if the home was moved, move it back; if files were deleted, restore them.",
        )
    return model


def _copy(settings: Settings, location: str, what: str) -> Path:
    """A logged model never changes, so it is fetched once; a copy appears whole or not at all."""
    copies = settings.home / "mlflow" / "fetched"
    copy = copies / hashlib.sha256(location.encode()).hexdigest()[:16]
    if copy.exists():
        return copy
    copies.mkdir(exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(dir=copies) as scratch, told(location, ModelError, settings.s3_endpoint):
            Path(mlflow.artifacts.download_artifacts(location, dst_path=f"{scratch}/model")).rename(copy)
    except (MlflowException, OSError) as error:
        if not copy.exists():  # else another process was faster
            raise ModelError(f"{what} cannot be fetched from '{location}': {error}", "Run the same command again.") from error
    return copy
