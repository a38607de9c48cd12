"""The command with MLflow in PostgreSQL: the whole pipeline, versions put into production and taken back, and the database gone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.cli.commands import Call, one_clear_error
from tests.conftest import Outcome
from tests.postgres import PASSWORD, Postgres

pytestmark = pytest.mark.slow


def test_the_registry_lies_in_postgresql(
    together: Callable[..., list[Outcome]], tmp_path: Path, tiny_shop: Path, postgres: Postgres
) -> None:
    home = tmp_path / "home"
    with postgres.database() as name:
        where = {"OUTFITTER_MLFLOW_URI": postgres.uri(name)}
        eager = {**where, "OUTFITTER_GATE_ALPHA": "0.49", "OUTFITTER_GATE_MIN_USERS": "30"}
        calls = [
            Call(home, ("run", "--path", tiny_shop), {**where, "COLUMNS": "240"}),
            Call(home, ("train", "--json"), eager),
            Call(home, ("models", "list", "--json"), where),
            Call(home, ("models", "rollback", "--reason", "they changed their minds"), where),
            Call(home, ("recommend", "--json"), where),
            Call(home, ("models", "list", "--json"), where),
        ]
        run, train, before, rollback, recommend, after = told = together(calls)
        assert [outcome.code for outcome in told] == [0] * 6, [outcome.stderr for outcome in told]
        assert train.result["new"]
        assert [(one["version"], one["in_production"]) for one in before.result] == [("3", True), ("2", False), ("1", False)]
        assert "version 1 is in production, in place of version 3" in rollback.stdout
        assert recommend.result["model_version"] == "1"
        assert [(one["version"], one["in_production"]) for one in after.result] == [("3", False), ("2", False), ("1", True)]
        assert f"postgresql://***@/{name}" in run.stdout, "where to look"

        postgres.execute("ALTER DATABASE {} ALLOW_CONNECTIONS false", name)
        postgres.hang_up(name)
        shorter = {**where, "OUTFITTER_LIST_LENGTH": "5"}
        calls = [Call(home, ("recommend", "--json"), shorter), Call(home, ("train",), shorter), Call(home, ("models", "list"), where)]
        nightly, *refused = together(calls)
        assert nightly.code == 0, nightly.stderr
        assert (nightly.result["model_version"], nightly.result["new"]) == ("1", True)
        assert "the registry does not answer (MLflow's database" in nightly.result["instead"]
        for outcome in refused:
            assert f"MLflow's database 'postgresql://***@/{name}?host=" in one_clear_error(outcome)
            assert "not currently accepting connections" in outcome.stderr

    assert not (home / "mlflow" / "mlflow.db").exists()
    assert list((home / "mlflow" / "artifacts").rglob("*.safetensors"))
    for secret in (PASSWORD, quote(PASSWORD, safe="")):
        assert not [path for path in home.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
        assert not [outcome for outcome in (*told, nightly, *refused) if secret in outcome.stdout + outcome.stderr]
