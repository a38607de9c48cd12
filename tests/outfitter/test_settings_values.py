"""Settings: where a value comes from, what is refused and in which words, and a home that can be written."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from outfitter.errors import HomeError, SettingsError
from outfitter.settings import TOML, EventRule, Settings, load_settings, settings_table


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder of its own and an environment that sets nothing."""
    for name in [name for name in os.environ if name.startswith("OUTFITTER_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def set_variables(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"OUTFITTER_{name}", value)


def test_arguments_come_before_the_environment_before_the_file_before_the_defaults(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().seed == 0
    (folder / TOML).write_text("seed = 1\nlist_length = 7\n")
    assert load_settings().seed == 1
    set_variables(monkeypatch, SEED="2")
    assert load_settings().seed == 2
    assert load_settings(seed=3).seed == 3
    assert load_settings(seed=None).seed == 2
    assert load_settings().list_length == 7


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"SEEED": "1"}, "the environment sets OUTFITTER_SEEED, which is no setting"),
        ({"SEEED__X": "1"}, "OUTFITTER_SEEED__X"),
        ({"SEED": "-1"}, "setting 'seed' (OUTFITTER_SEED or outfitter.toml): input should be greater than or equal to 0, got '-1'"),
        ({"SEED": "one"}, "got 'one'"),
        ({"WINDOW_DAYS": "13"}, "multiple of 7"),
        ({"MAX_BAD_SHARE": "1"}, "less than 1"),
        ({"LOG_LEVEL": "LOUD"}, "'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
        ({"MODELS": "als"}, 'field "models"'),
        ({"EVENTS": "view"}, 'field "events"'),
        ({"EVENTS__VIEW__WEIGHT": "much"}, "setting 'events.view.weight' (OUTFITTER_EVENTS__VIEW__WEIGHT or outfitter.toml)"),
        ({"EVENTS__VIEW__WEIGHT": "nan"}, "finite number"),
        ({"EVENTS__VIEW__WIEGHT": "2"}, "events.view.wieght"),
        ({"EVENTS__VEIW__WEIGHT": "2"}, "there is no event 'veiw', only purchase, rent"),
        ({"EVENTS": json.dumps({name: {"target": False} for name in ("purchase", "rent", "rating")})}, "no event is a target"),
    ],
)
def test_what_does_not_fit_is_named_in_a_sentence(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], said: str) -> None:
    set_variables(monkeypatch, **variables)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert said in str(caught.value)
    assert caught.value.hint


def test_every_bad_setting_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    set_variables(monkeypatch, SEED="x", LIST_LENGTH="0")
    with pytest.raises(SettingsError, match=r"'seed'.*; .*'list_length'|'list_length'.*; .*'seed'"):
        load_settings()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"seed = ", "outfitter.toml cannot be read"),
        ("seed = 1".encode("utf-16"), "outfitter.toml cannot be read"),
        (b"seeed = 1", "seeed"),
        (b"seed = -1", "greater than or equal to 0"),
        (b"[events.view]\nweight = 'much'", "events.view.weight"),
    ],
)
def test_a_bad_file_is_named(folder: Path, text: bytes, said: str) -> None:
    (folder / TOML).write_bytes(text)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert said in str(caught.value)


def test_setting_one_event_leaves_the_others(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = load_settings().events
    set_variables(monkeypatch, EVENTS__VIEW__WEIGHT="0.7", EVENTS__PURCHASE__WEIGHT="2")
    (folder / TOML).write_text("[events.cart]\ntarget = true\n")
    after = load_settings().events
    assert after["view"] == EventRule(weight=0.7)
    assert after["purchase"] == EventRule(weight=2, target=True), "what is not named of an event stays"
    assert after["cart"] == EventRule(weight=0.5, target=True)
    assert {name: after[name] for name in before if name not in ("view", "purchase", "cart")} == {
        name: rule for name, rule in before.items() if name not in ("view", "purchase", "cart")
    }


def test_events_can_be_given_as_json_and_as_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    set_variables(monkeypatch, EVENTS='{"click": {"weight": 0.9, "target": true}}')
    assert load_settings().events["click"] == EventRule(weight=0.9, target=True)
    assert load_settings(events={"click": EventRule(weight=0.4)}).events["click"] == EventRule(weight=0.4)
    assert list(load_settings().events) == list(Settings().events)


def test_lists_are_json(monkeypatch: pytest.MonkeyPatch) -> None:
    set_variables(monkeypatch, MODELS='["als", "item_knn"]')
    assert load_settings().models == ("als", "item_knn")


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load_settings().seed = 1


def test_everything_lies_below_the_home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings(home="here")
    assert settings.home == folder / "here"
    assert settings.lake_root == str(folder / "here" / "lake")
    assert settings.tracking_uri == f"sqlite:///{folder}/here/mlflow/mlflow.db"
    assert settings.reports == folder / "here" / "reports"
    monkeypatch.setenv("HOME", str(folder))
    assert load_settings(home="~/there").home == folder / "there"
    assert load_settings().home == folder / ".outfitter"


def test_the_production_parts_are_settings() -> None:
    settings = load_settings(mlflow_uri="postgresql://x", threads=3)
    assert (settings.tracking_uri, settings.threads) == ("postgresql://x", 3)


def test_artifacts_lie_in_the_home_in_a_folder_or_in_a_bucket(folder: Path) -> None:
    home = (folder / ".outfitter" / "mlflow" / "artifacts").as_uri()
    assert [load_settings(mlflow_uri=uri).artifact_root for uri in (None, "postgresql://x", "sqlite:///a@b/c.db")] == [home] * 3
    assert load_settings(mlflow_artifacts="some models").artifact_root == (folder / "some models").as_uri()
    assert load_settings(mlflow_artifacts="s3://bucket/models/").artifact_root == "s3://bucket/models"
    assert load_settings(mlflow_uri="https://mlflow.example.com").artifact_root is None


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("postgresql://u:p%40ss@h:5432/db", "postgresql://***@h:5432/db"),
        ("postgresql://u@h/db?password=p&sslmode=require", "postgresql://***@h/db?password=***&sslmode=require"),
        ("postgresql://h/db", "postgresql://h/db"),
        ("https://u:p@h/mlflow", "https://***@h/mlflow"),
    ],
)
def test_an_address_is_shown_without_its_password(uri: str, shown: str) -> None:
    assert load_settings(mlflow_uri=uri).tracking_uri_shown == shown


def test_a_home_is_made_and_left_clean(folder: Path) -> None:
    settings = load_settings(home=folder / "a" / "b")
    settings.prepare_home()
    settings.prepare_home()
    assert sorted(path.name for path in (folder / "a" / "b").iterdir()) == ["feast", "mlflow", "prefect", "reports"]
    assert not [path for path in (folder / "a").rglob("*") if path.is_file()]


@pytest.mark.parametrize("inside", ["file", "file/home", "file/deep/home"])
def test_a_home_that_cannot_be_is_refused(folder: Path, inside: str) -> None:
    (folder / "file").write_text("not a folder")
    with pytest.raises(HomeError, match=rf"the home folder '{folder / inside}' cannot be written: .*Set OUTFITTER_HOME"):
        load_settings(home=folder / inside).prepare_home()
    assert (folder / "file").read_text() == "not a folder"


def test_a_full_disk_is_told_before_anything_starts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HomeError, match=rf"MiB are free on the disk that holds the home '{folder / 'home'}'.*min_free_mb"):
        load_settings(home=folder / "home", min_free_mb=1 << 50).prepare_home()


@pytest.mark.parametrize("name", ["50%", "a[1]", "a^b", "a|b", "a\\b", "a\nb"])
def test_a_home_that_the_lake_cannot_spell_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(HomeError, match="the lake cannot lie in"):
        load_settings(home=folder / name).prepare_home()
    assert not (folder / name).exists()


def test_the_libraries_are_told_where_to_live_and_to_keep_quiet(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before: dict[str, Any] = dict(os.environ)
    for name in ("PREFECT_API_URL", "MLFLOW_S3_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    try:
        settings = load_settings(home=folder / "home")
        settings.activate()
        assert os.environ["OUTFITTER_HOME"] == str(folder / "home")
        assert os.environ["PREFECT_HOME"] == str(folder / "home" / "prefect")
        assert os.environ["MLFLOW_TRACKING_URI"] == settings.tracking_uri
        quiet = ("DO_NOT_TRACK", "MLFLOW_DISABLE_TELEMETRY")
        assert {os.environ[name] for name in quiet} == {"true"}
        assert {os.environ[name] for name in ("PREFECT_SERVER_ANALYTICS_ENABLED", "GX_ANALYTICS_ENABLED")} == {"false"}
        assert os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"
        assert "PREFECT_API_URL" not in os.environ
        assert "MLFLOW_S3_ENDPOINT_URL" not in os.environ
        assert load_settings().home == settings.home
        load_settings(prefect_api_url="http://127.0.0.1:4200/api").activate()
        assert os.environ["PREFECT_API_URL"] == "http://127.0.0.1:4200/api"
        monkeypatch.setenv("PGCONNECT_TIMEOUT", "3")
        load_settings(s3_endpoint="https://minio.example.com:9000").activate()
        assert os.environ["MLFLOW_S3_ENDPOINT_URL"] == "https://minio.example.com:9000"
        assert os.environ["PGCONNECT_TIMEOUT"] == "3", "whoever set it meant it"
    finally:
        os.environ.clear()
        os.environ.update(before)


def test_the_table_of_settings_has_them_all() -> None:
    table = settings_table()
    for name, field in Settings.model_fields.items():
        assert f"| `{name}` | `OUTFITTER_{name.upper()}` |" in table
        assert field.description
        assert field.description in table
    for event in Settings().events:
        assert f"| `{event}` |" in table
