"""A registered model where nothing of ours is but the package: it loads, answers and is served, and nothing in it is unpickled."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml
from mlflow.exceptions import MlflowException

import models
from models.families import FAMILIES
from models.neighbours.item_knn import ItemKNN
from outfitter.registry import pyfunc_path
from tests.environments import Environment, environment_with
from tests.models.conftest import fresh
from tests.models.worlds import blocks, histories
from tests.outfitter.registry.conftest import a_version, registry_at

NOT_THERE = ("prefect", "feast", "great_expectations", "deltalake", "evidently", "boto3", "ray", "psycopg2", "pytest")
SECONDS_TO_START = 60
ASK = """
import importlib.util, json, sys
folder, absent, asked, k = json.load(sys.stdin)
assert not [name for name in absent if importlib.util.find_spec(name)]
import mlflow, pandas as pd
loaded = mlflow.pyfunc.load_model(folder)
frame = pd.DataFrame({"items": asked})
json.dump([loaded.predict(frame).to_dict("list"), loaded.predict(frame, params={"k": k}).to_dict("list")], open("answers.json", "w"))
"""
ASK_ALL = """
import json, sys
from pathlib import Path
import numpy as np
import models
from models.data import Histories
told = np.load(sys.argv[1])
asked = Histories(told["indptr"], told["items"], told["weights"], told["ages"])
listed = {}
for folder in sys.argv[2:]:
    model = models.load(Path(folder))
    listed[model.name] = model.recommend(asked, 5).items.tolist()
json.dump(listed, open("answers.json", "w"))
"""


@pytest.fixture
def artifact(home: Path, mlflow_here: None, tmp_path: Path) -> Path:
    """The folder that MLflow keeps of a registered version, taken away from where it was made."""
    version = a_version(registry_at(home, None), ItemKNN(neighbours=20).fit(blocks().data), tmp_path / "scratch")
    return Path(shutil.copytree(version.path.parents[1], tmp_path / "taken away"))


@pytest.fixture
def clean(artifact: Path, tmp_path: Path) -> Environment:
    return environment_with((artifact / "requirements.txt").read_text().splitlines(), tmp_path / "clean")


def answers(clean: Environment, script: str, *arguments: str | Path, told: Any = None) -> Any:
    """What a script left in ``answers.json``; it must leave nothing else."""
    folder = clean.home.parent / "working"
    folder.mkdir()
    words = [str(word) for word in (clean.python, "-c", script, *arguments)]
    done = subprocess.run(
        words, input=json.dumps(told), env=clean.variables, cwd=folder, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [path.name for path in folder.iterdir()] == ["answers.json"]
    return json.loads((folder / "answers.json").read_text())


def test_a_clean_environment_loads_a_model_and_asks_it(artifact: Path, clean: Environment) -> None:
    model = models.load(artifact / "artifacts" / "model")
    asked = [list(model.item_ids[:2]), [], [model.item_ids[7], "never seen"]]
    by_default, three = answers(clean, ASK, told=[str(artifact), NOT_THERE, asked, 3])
    assert [len(row) for row in by_default["items"]] == [12, 12, 12]
    assert three["items"] == [row[:3] for row in by_default["items"]]
    here = mlflow.pyfunc.load_model(str(artifact)).predict(pd.DataFrame({"items": asked}), params={"k": 3})
    assert three["items"] == here["items"].to_list()
    np.testing.assert_allclose(three["scores"], here["scores"].to_list())
    assert set(asked[0]).isdisjoint(three["items"][0])


class _Planted:
    """Unpickled, it leaves a file behind."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.trace),)


def test_nothing_in_an_artifact_is_a_pickle_and_a_planted_one_is_refused(artifact: Path, tmp_path: Path) -> None:
    kinds = {path.suffix for path in artifact.rglob("*") if path.is_file()}
    assert kinds <= {"", ".json", ".yaml", ".txt", ".py", ".safetensors"}, "MLmodel is the one without an ending"
    told = yaml.safe_load((artifact / "MLmodel").read_text())
    flavour = told["flavors"]["python_function"]
    assert "python_model" not in flavour
    assert (artifact / Path(flavour["model_code_path"]).name).read_bytes() == pyfunc_path().read_bytes()

    (artifact / "python_model.pkl").write_bytes(pickle.dumps(_Planted(tmp_path / "trace")))
    for name in ("python_model.pkl", "weights.pkl"):
        (artifact / "artifacts" / "model" / name).write_bytes(pickle.dumps(_Planted(tmp_path / "trace")))
    mlflow.pyfunc.load_model(str(artifact))  # lies there, and nobody looks at it
    del flavour["model_code_path"]
    told["flavors"]["python_function"] = {**flavour, "loader_module": "mlflow.pyfunc.model", "python_model": "python_model.pkl"}
    (artifact / "MLmodel").write_text(yaml.safe_dump(told))
    with pytest.raises(MlflowException, match="pickle is disallowed"):
        mlflow.pyfunc.load_model(str(artifact))
    assert not (tmp_path / "trace").exists()


@pytest.mark.slow
def test_models_of_every_family_answer_there_as_here(clean: Environment, tmp_path: Path) -> None:
    world, asked = blocks(), histories([[0, 4], [], [1, 5, 9]])
    np.savez(tmp_path / "asked.npz", indptr=asked.indptr, items=asked.items, weights=asked.weights, ages=asked.ages)
    fitted = {name: fresh(name).fit(world.data) for name in FAMILIES}
    folders = [model.save(tmp_path / "models" / name) for name, model in fitted.items()]
    there = answers(clean, ASK_ALL, tmp_path / "asked.npz", *folders)
    assert there == {name: model.recommend(asked, 5).items.tolist() for name, model in fitted.items()}


@pytest.mark.slow
def test_a_clean_environment_serves_a_model(artifact: Path, clean: Environment) -> None:
    example = json.loads((artifact / "serving_input_example.json").read_text())
    with served(clean, artifact) as address:
        for page in ("ping", "health"):
            with urlopen(f"{address}/{page}") as answer:
                assert answer.status == 200
        by_default = _post(f"{address}/invocations", example)
        assert [len(row["items"]) for row in by_default] == [12]
        assert _post(f"{address}/invocations", {**example, "params": {"k": 3}})[0]["items"] == by_default[0]["items"][:3]
    here = mlflow.pyfunc.load_model(str(artifact)).predict(pd.DataFrame(**example["dataframe_split"]))
    assert by_default[0]["items"] == here["items"][0]
    until = time.monotonic() + SECONDS_TO_START
    while _answers(address):
        assert time.monotonic() < until, "it was not stopped"
        time.sleep(0.1)


@contextmanager
def served(clean: Environment, artifact: Path) -> Iterator[str]:
    """The address at which ``mlflow models serve`` answers; it is stopped with whatever it started."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    words = [clean.folder / "bin" / "mlflow", "models", "serve", "-m", artifact, "--env-manager", "local", "-h", "127.0.0.1", "-p", port]
    said = clean.home.parent / "served.log"
    with (
        said.open("w") as log,
        subprocess.Popen(
            [str(word) for word in words], env=clean.variables, cwd=clean.home, stdout=log, stderr=log, start_new_session=True
        ) as process,
    ):
        try:
            _wait_for(f"http://127.0.0.1:{port}", process, said)
            yield f"http://127.0.0.1:{port}"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(timeout=30)


def _wait_for(address: str, process: subprocess.Popen[bytes], said: Path) -> None:
    until = time.monotonic() + SECONDS_TO_START
    while not _answers(address):
        assert time.monotonic() < until, said.read_text()
        assert process.poll() is None, said.read_text()
        time.sleep(0.1)


def _answers(address: str) -> bool:
    try:
        urlopen(f"{address}/ping", timeout=10).close()
    except (URLError, ConnectionError, TimeoutError):
        return False
    return True


def _post(address: str, told: Any) -> Any:
    request = Request(address, json.dumps(told).encode(), {"Content-Type": "application/json"})
    with urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())["predictions"]
