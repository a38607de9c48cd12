"""MLflow's store in a database server and its artifacts anywhere; what does not answer is told soon, and without its password."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import urlopen

import mlflow
import numpy as np
import pandas as pd
import pytest

import models
from models.popularity import Popularity
from outfitter.errors import HomeError, ModelError, SettingsError
from outfitter.registry.champion import still_champion, with_champion
from outfitter.registry.contest import require_champion
from outfitter.registry.promotion import bootstrap
from outfitter.registry.versions import Registry, Version
from outfitter.registry.watching import ChampionWatcher
from outfitter.settings import load_settings
from tests.conftest import REPOSITORY
from tests.models.worlds import blocks
from tests.outfitter.lake.frames import NOW
from tests.outfitter.registry.conftest import Trained, a_version, registry_at, within
from tests.postgres import PASSWORD, Postgres
from tests.s3 import S3

OPEN = """
import sys
from outfitter.registry.stored import open_experiment
from outfitter.settings import load_settings
settings = load_settings(home=sys.argv[1], mlflow_uri=sys.argv[2])
settings.activate()
settings.prepare_home()
print("ready", flush=True)
sys.stdin.readline()
print(open_experiment(settings, "outfitter")[1])
"""


@pytest.fixture(autouse=True)
def elsewhere(mlflow_here: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder in which nothing may be left."""
    folder = tmp_path / "working"
    folder.mkdir()
    monkeypatch.chdir(folder)
    yield folder
    assert list(folder.iterdir()) == []


def same_model(version: Version) -> bool:
    want = Popularity().fit(blocks().data).arrays["scores"]
    return bool(np.array_equal(models.load(version.path).arrays["scores"], want))


def test_a_databases_artifacts_lie_in_the_home(database: str, tmp_path: Path) -> None:
    registry = registry_at(tmp_path / "home", database)
    version = a_version(registry, Popularity().fit(blocks().data), tmp_path / "scratch")
    assert version.path.is_relative_to(tmp_path / "home" / "mlflow" / "artifacts")
    assert same_model(version)
    assert registry.read_text(version.run_id, "model_card.md") == "# a card"
    assert not (tmp_path / "home" / "mlflow" / "mlflow.db").exists()
    again = registry_at(tmp_path / "home", database)
    assert (again.experiment, again.version(version.version)) == (registry.experiment, version)


def test_artifacts_lie_in_the_folder_that_was_named_and_stay_there(database: str, tmp_path: Path) -> None:
    registry = registry_at(tmp_path / "home", database, mlflow_artifacts=str(tmp_path / "a folder"))
    version = a_version(registry, Popularity().fit(blocks().data), tmp_path / "scratch")
    assert version.path.is_relative_to(tmp_path / "a folder")
    assert same_model(version)
    assert registry_at(tmp_path / "home", database).version(version.version) == version
    with pytest.raises(HomeError, match=r"keeps its artifacts in 'file:.*a%20folder', not in '.*other'.*as it was"):
        registry_at(tmp_path / "home", database, mlflow_artifacts=str(tmp_path / "other"))


def test_artifacts_in_a_bucket_are_fetched_once_and_whole(database: str, tmp_path: Path, s3: S3) -> None:
    root = f"{s3.root}/models/artifacts"
    registry = registry_at(tmp_path / "home", database, mlflow_artifacts=root, s3_endpoint=s3.endpoint)
    version = a_version(registry, Popularity().fit(blocks().data), tmp_path / "scratch")
    keys = [one["Key"] for one in s3.client.list_objects_v2(Bucket=s3.bucket)["Contents"]]
    assert all(key.startswith("models/artifacts/") for key in keys)
    assert any(key.endswith("/model_card.md") for key in keys)
    assert registry.read_text(version.run_id, "model_card.md") == "# a card"
    fetched = tmp_path / "home" / "mlflow" / "fetched"
    assert version.path.is_relative_to(fetched)
    assert same_model(version)
    loaded = mlflow.pyfunc.load_model(f"models:/{registry.name}/{version.version}")
    assert len(loaded.predict(pd.DataFrame({"items": [["000001"]]}), params={"k": 2})["items"][0]) == 2

    second = a_version(registry, Popularity().fit(blocks().data), tmp_path / "scratch2")
    assert len(list(fetched.iterdir())) == 2, "a folder a model, and nothing besides"
    for key in [one["Key"] for one in s3.client.list_objects_v2(Bucket=s3.bucket)["Contents"]]:
        s3.client.delete_object(Bucket=s3.bucket, Key=key)
    assert registry.version(second.version) == second
    assert registry.artifact(second.run_id) == second.path
    anew = registry_at(tmp_path / "other home", database, mlflow_artifacts=root, s3_endpoint=s3.endpoint)
    with pytest.raises(ModelError, match=f"the artifact of version {version.version} cannot be"):
        anew.version(version.version)
    assert list((tmp_path / "other home" / "mlflow" / "fetched").iterdir()) == [], "no half of a copy"


def test_a_bucket_that_is_not_there_is_told(database: str, tmp_path: Path, s3: S3) -> None:
    registry = registry_at(tmp_path / "home", database, mlflow_artifacts=f"{s3.root}-none/models", s3_endpoint=s3.endpoint)
    with pytest.raises(HomeError, match=f"there is no bucket '{s3.bucket}-none'"):
        a_version(registry, Popularity().fit(blocks().data), tmp_path / "scratch")


@pytest.mark.parametrize(
    ("mlflow_uri", "said"),
    [
        ("postgres://u:SECRET@h/db", "give postgresql://"),
        ("u:SECRET@h/db", "give postgresql://"),
        ("postgresql:/u:SECRET@h/db", "give postgresql://"),
        ("postgresql://u:12/SECRET@h/db", "%2F"),
        ("postgresql://u:12@SECRET@h/db", "%40"),
        ("postgresql://u:12#SECRET@h/db", "%23"),
        ("postgresql://u:SECRET@h:x/db", "give postgresql://"),
        ("file:///somewhere", "give postgresql://"),
    ],
)
def test_an_address_that_is_none_is_refused_without_its_password(mlflow_uri: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTFITTER_MLFLOW_URI", mlflow_uri)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert "setting 'mlflow_uri'" in str(caught.value)
    assert said in str(caught.value)
    assert "SECRET" not in str(caught.value)


def test_a_tracking_server_decides_where_artifacts_lie() -> None:
    settings = load_settings(mlflow_uri="http://mlflow.example.com:5000")
    assert (settings.tracking_server, settings.artifact_root) == (True, None)
    for where in ("/srv/models", "s3://bucket/models"):
        with pytest.raises(SettingsError, match=r"setting 'mlflow_artifacts'.*the tracking server .* decides"):
            load_settings(mlflow_uri="http://mlflow.example.com:5000", mlflow_artifacts=where)
    with pytest.raises(SettingsError, match="artifacts lie in a folder or in s3://"):
        load_settings(mlflow_artifacts="gs://bucket/models")


def refusing(address: str, tmp_path: Path) -> str:
    """What opening a store says; checks that it takes seconds and that the password is not in it, quoted or not."""
    began = time.monotonic()
    with pytest.raises(HomeError) as caught:
        registry_at(tmp_path / "home", address)
    assert time.monotonic() - began < 30, "MLflow alone would take 100 s"
    assert "mlflow_uri" in caught.value.hint
    assert not {PASSWORD, quote(PASSWORD, safe=""), "SECRET"} & set(str(caught.value).split("'"))
    assert "SECRET" not in str(caught.value)
    assert PASSWORD not in str(caught.value)
    return str(caught.value)


def test_a_database_that_refuses_is_told_in_seconds(postgres: Postgres, tmp_path: Path) -> None:
    good = postgres.uri("postgres")
    bad = good.replace(quote(PASSWORD, safe=""), "SECRET")
    assert "password authentication failed" in refusing(bad, tmp_path)
    behind = f"postgresql://outfitter@/postgres?host={postgres.folder}&password=SECRET"
    assert "password authentication failed" in refusing(behind, tmp_path)
    assert 'database "none" does not exist' in refusing(postgres.uri("none"), tmp_path)
    assert "No such file or directory" in refusing(good.replace(str(postgres.folder), str(tmp_path)), tmp_path)


def test_a_database_that_nobody_serves_is_told_in_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as silent:  # takes connections and never says a word
        silent.bind(("127.0.0.1", 0))
        address = f"postgresql://u:SECRET@127.0.0.1:{silent.getsockname()[1]}/db"
        assert "Connection refused" in refusing(address, tmp_path)
        silent.listen()
        monkeypatch.setenv("PGCONNECT_TIMEOUT", "2")
        assert "timeout expired" in refusing(address, tmp_path)


def test_a_driver_that_is_not_installed_is_told(tmp_path: Path) -> None:
    assert "No module named" in refusing("mysql://u:SECRET@127.0.0.1/db", tmp_path)


@pytest.mark.parametrize("store", ["postgresql"])  # and in SQLite there is nothing that could go down
def test_a_database_that_goes_down_stops_nobody_who_has_a_model(store: str, trained: Trained, postgres: Postgres) -> None:
    """As seen by the nightly job, which opens the registry anew, and by a process that lives on."""
    bootstrap(trained.contest(), trained.candidates)
    champion, settings = require_champion(trained.registry), trained.material.settings
    lake, name = trained.material.snapshot.lake, settings.tracking_uri.rpartition("/test_")[2].partition("?")[0]

    def used() -> tuple[str, str]:
        found = with_champion(lake, lambda: Registry(settings), settings, lambda version: models.load(version.path).name, NOW)
        return found.result, found.instead

    before = used()
    assert before == (models.load(champion.path).name, "")
    with ChampionWatcher(trained.registry, lambda version: version.version, every=0.01) as watcher:
        postgres.execute("ALTER DATABASE {} ALLOW_CONNECTIONS false", f"test_{name}")
        postgres.hang_up(f"test_{name}")
        began = time.monotonic()
        with pytest.raises(HomeError, match=r"MLflow's database .* cannot be used: .*not currently accepting connections"):
            Registry(settings)
        model, instead = used()
        assert (model, "the registry does not answer" in instead) == (before[0], True)
        assert PASSWORD not in instead
        assert still_champion(trained.registry, champion)
        assert time.monotonic() - began < 30
        assert watcher.current() == champion.version
        postgres.execute("ALTER DATABASE {} ALLOW_CONNECTIONS true", f"test_{name}")
        later = trained.contest("later")
        bootstrap(later, trained.candidates)
        assert within(10, lambda: watcher.current() != champion.version)
    assert used()[1] == ""
    assert lake.read("promotions")["decided_at"].max() - NOW < timedelta(days=1)


@pytest.mark.slow
def test_two_that_find_an_empty_database_make_its_tables_once(postgres: Postgres, tmp_path: Path, elsewhere: Path) -> None:
    """As from two machines: MLflow's own lock is a file, in another temporary folder here."""
    with postgres.database() as name:
        started = []
        for number in range(2):
            (folder := tmp_path / f"machine {number}").mkdir()
            environment = {"PYTHONPATH": str(REPOSITORY), "TMPDIR": str(folder), "PATH": "", "HOME": str(folder)}
            words = [sys.executable, "-c", OPEN, str(folder / "home"), postgres.uri(name)]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
            started.append(subprocess.Popen(words, env=environment, cwd=folder, text=True, **pipes))  # type: ignore[call-overload]
        try:
            assert [process.stdout.readline() for process in started] == ["ready\n"] * 2
            for process in started:
                process.stdin.write("go\n")
                process.stdin.flush()
            ended = [process.communicate(timeout=60) for process in started]
        finally:
            for process in started:
                process.kill()
                process.wait()
        assert [process.returncode for process in started] == [0, 0], ended
        assert len({said for said, _ in ended}) == 1
        assert registry_at(tmp_path / "home", postgres.uri(name)).experiment == ended[0][0].strip()


@pytest.mark.slow
def test_a_tracking_server_keeps_what_it_is_given_and_its_absence_is_told(home: Path, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{probe.getsockname()[1]}"
    words = ["--backend-store-uri", f"sqlite:///{home / 'mlflow' / 'mlflow.db'}", "--artifacts-destination", str(tmp_path / "kept")]
    where = ["--host", "127.0.0.1", "--port", address.rpartition(":")[2], "--workers", "1"]
    with (
        (tmp_path / "server.log").open("w") as log,
        subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *words, *where], cwd=tmp_path, stdout=log, stderr=log, start_new_session=True
        ) as server,
    ):
        try:
            assert within(120, lambda: _answers(address)), (tmp_path / "server.log").read_text()
            registry = registry_at(tmp_path / "user", address)
            version = a_version(registry, Popularity().fit(blocks().data), tmp_path / "scratch")
            assert version.path.is_relative_to(tmp_path / "user" / "mlflow" / "fetched")
            assert same_model(version)
            assert list((tmp_path / "kept").rglob("*.safetensors"))
            assert registry.read_text(version.run_id, "model_card.md") == "# a card"
        finally:
            os.killpg(server.pid, signal.SIGTERM)
    assert within(60, lambda: not _answers(address))
    began = time.monotonic()
    with pytest.raises(HomeError, match=rf"MLflow's server '{address}' cannot be used: .*mlflow_uri"):
        registry_at(tmp_path / "user", address)
    assert time.monotonic() - began < 60


def _answers(address: str) -> bool:
    try:
        urlopen(f"{address}/health", timeout=10).close()
    except (URLError, ConnectionError, TimeoutError):
        return False
    return True
