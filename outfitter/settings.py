"""Every setting, once. The only reader of the environment.

Values come from, first wins: ``OUTFITTER_...`` variables, ``outfitter.toml`` in the working folder, the defaults below.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from outfitter.errors import HomeError, SettingsError
from outfitter.meanwhile import put_off_torch_of_feast

TOML = "outfitter.toml"
THREAD_COUNTS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS")
"""What the libraries that compute read when they are imported."""
IN_A_BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]+(/[A-Za-z0-9!_.*'()=-]+)*/?")
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
SERVERS = ("http", "https")
SECONDS_TO_CONNECT = 10
"""How long a PostgreSQL server may take to accept a connection."""
RETRIES = 3
"""Of a request to a tracking server that does not answer, 14 s in all; MLflow's own would take four minutes."""


class EventRule(BaseModel):
    """What an event is worth: ``weight`` is its confidence, a ``target`` counts as a success in evaluation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weight: float = Field(allow_inf_nan=False)
    target: bool = False


def _default_events() -> dict[str, EventRule]:
    return {
        "purchase": EventRule(weight=1, target=True),
        "rent": EventRule(weight=1, target=True),
        "rating": EventRule(weight=1, target=True),
        "cart": EventRule(weight=0.5),
        "like": EventRule(weight=0.3),
        "click": EventRule(weight=0.2),
        "view": EventRule(weight=0.1),
        "return": EventRule(weight=-1),
    }


class Settings(BaseSettings):
    """The whole configuration; frozen, validated, and documented in ``docs/settings.md``."""

    model_config = SettingsConfigDict(env_prefix="OUTFITTER_", frozen=True, extra="forbid", toml_file=TOML, env_nested_delimiter="__")

    home: Path = Field(Path(".outfitter"), description="Folder that holds lake, models, features and reports; the only one written to.")
    source: str = Field("synthetic", description="Adapter that reads the input; 'outfitter source list' names them.")
    path: str | None = Field(
        None, description="Folder or s3://bucket/prefix with the source's files; the synthetic shop is drawn into the home when unset."
    )
    mapping: Path | None = Field(None, description="TOML file that tells the source 'mapped' which column means what.")
    lake: str | None = Field(None, description="Where the lake's tables lie: s3://bucket/prefix, or a folder in the home when unset.")
    s3_endpoint: str | None = Field(None, description="Address of an S3-compatible service; Amazon's own when unset.")
    block_mb: int = Field(128, ge=1, le=4096, description="Size of the blocks, in MiB of text, in which files are read and validated.")
    n_buckets: int | None = Field(None, ge=1, le=4096, description="Partitions by user, fixed when the lake is made; by size when unset.")
    max_bad_share: float = Field(
        0.2, ge=0, lt=1, description="Share of rows that may fail one expectation before the whole delivery is stopped."
    )
    history_deliveries: int = Field(6, ge=3, description="Earlier deliveries without which nothing is learnt from history.")
    history_warn: float = Field(1.5, gt=1, description="Factor off the usual volume or price at which a delivery gets a warning.")
    history_hold: float = Field(4.0, gt=1, description="Factor off the usual volume or price at which a delivery is held for a person.")
    files_per_bucket: int = Field(16, ge=2, description="Files of a bucket above which they are merged into fewer.")
    online_store: str = Field("sqlite", description="Feast's online store: sqlite (in the home) or redis://[:password@]host:port[/db].")
    leak_users: int = Field(5_000, ge=100, description="Users that the leak checks of a training look at.")
    events: dict[str, EventRule] = Field(
        default_factory=_default_events, description="Weight of each event and whether it is a target of evaluation."
    )
    repeat_purchases: bool = Field(
        False, description="Whether what a user already took may be recommended again; used alike in evaluation and publishing."
    )
    sellable_days: int = Field(28, ge=1, description="An item is sellable when it sold within this many days (no availability given).")
    training_cutoffs: int = Field(6, ge=1, le=52, description="Weeks of point-in-time feature rows that a torch model trains on.")
    window_days: int = Field(28, ge=7, multiple_of=7, description="Length of the validation and of the test window, in whole weeks.")
    list_length: int = Field(12, ge=1, le=1000, description="Items recommended to each user, and the k of the metrics.")
    models: tuple[str, ...] = Field(
        ("als", "closed_form_sparse", "two_tower"), description="Model families that each training run fits beside the gate's baselines."
    )
    seed: int = Field(0, ge=0, description="Seed of models, samples and bootstraps.")
    checkpoint_seconds: float = Field(
        60, ge=0, allow_inf_nan=False, description="Seconds between the checkpoints from which a killed training of a torch model goes on."
    )
    bootstrap_samples: int = Field(2000, ge=200, description="Resamples behind each interval and the gate.")
    gate_alpha: float = Field(0.025, gt=0, lt=0.5, description="One-sided error of the promotion gate.")
    gate_effect: float = Field(0.05, gt=0, description="Relative gain the gate must be able to see; sets the sample size it asks for.")
    gate_power: float = Field(0.8, gt=0, lt=1, description="Chance of seeing that gain at the sample size asked for.")
    gate_min_users: int = Field(300, ge=30, description="Fewest users in the test window on which any verdict but 'not enough evidence'.")
    gate_margin: float = Field(0.05, gt=0, lt=1, description="Relative loss that a refresh, or one segment of users, may have.")
    gate_min_coverage: float = Field(0.5, ge=0, le=1, description="Catalogue coverage the challenger must keep, as a share of its rival's.")
    gate_max_ms: float = Field(20.0, gt=0, description="Milliseconds a user that the challenger may take to answer in batch.")
    gate_max_mb: int = Field(4096, ge=1, description="MiB that the challenger's arrays may take.")
    gate_max_popularity: float = Field(
        0.1, ge=0, le=1, description="How much nearer to the most popular items the challenger's lists may be, as a share of the catalogue."
    )
    gate_baselines: tuple[str, ...] = Field(
        ("popularity", "recent_popularity", "item_knn", "ease"),
        description="What a challenger must beat besides the champion, each tuned in every training; the simplest first.",
    )
    gate_too_good: float = Field(0.6, gt=0, le=1, description="NDCG above which a result is taken for a leak and refused.")
    gate_min_diversity: float = Field(
        0.5, ge=0, le=1, description="Diversity within a list that a challenger's shadow run must keep, as a share of the champion's."
    )
    gate_min_overlap: float = Field(
        0.01, ge=0, le=1, description="Share of the champion's lists that a challenger's must have in common with them in the shadow run."
    )
    shadow_users: int = Field(10_000, ge=1, description="Users, by whole buckets, whom a challenger scores in a shadow run.")
    drift_sample: int = Field(100_000, ge=100, description="Rows a side that a drift report looks at.")
    drift_share: float = Field(0.3, gt=0, le=1, description="Share of drifted columns that makes the verdict 'drift'.")
    drift_numerical: float = Field(0.2, gt=0, description="Shift of a number, in standard deviations, that counts as drift.")
    drift_categorical: float = Field(0.15, gt=0, le=1, description="Jensen-Shannon distance of a category that counts as drift.")
    shop_users: int = Field(5_000, ge=10, description="Users of the synthetic shop.")
    shop_items: int = Field(2_000, ge=20, description="Items of the synthetic shop.")
    shop_interactions: int = Field(200_000, ge=100, description="Interactions of the synthetic shop.")
    shop_days: int = Field(365, ge=60, description="Days the synthetic shop has been open.")
    min_free_mb: int = Field(200, ge=1, description="Free disk space, in MiB, without which nothing is started.")
    threads: int = Field(0, ge=0, description="Threads that a model or a query may use; all cores when 0.")
    mlflow_uri: str | None = Field(
        None,
        description="MLflow tracking and registry store: postgresql://user:password@host[:port]/database, or the http(s):// address of a "
        "tracking server; a SQLite file in the home when unset.",
    )
    mlflow_artifacts: str | None = Field(
        None,
        description="Where MLflow keeps artifacts: a folder or s3://bucket/prefix; in the home when unset. "
        "Not with a tracking server, which decides itself.",
    )
    prefect_api_url: str | None = Field(None, description="Prefect server to report to; one of its own for the run when unset.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Detail of the log on standard error.")

    @field_validator("home")
    @classmethod
    def _absolute(cls, home: Path) -> Path:
        return home.expanduser().absolute()

    @field_validator("lake")
    @classmethod
    def _in_a_bucket(cls, lake: str | None) -> str | None:
        """Other characters are lost between the libraries that take an address for a URL and those that do not."""
        if lake is not None and not IN_A_BUCKET.fullmatch(lake):
            raise ValueError("a lake outside of the home is s3://bucket/prefix, of letters, digits and !_.*'()=-")
        return lake

    @field_validator("online_store")
    @classmethod
    def _sqlite_or_redis(cls, store: str) -> str:
        parts = urlsplit(store)
        try:
            known = parts.scheme == "redis" and bool(parts.hostname) and parts.port != 0 and bool(re.fullmatch(r"/?\d*", parts.path))
        except ValueError:  # a port that is no number, or too large a one
            known = False
        if store != "sqlite" and (not known or parts.query or parts.fragment):
            raise ValueError("give 'sqlite' or 'redis://[:password@]host:port[/db]'")
        return store

    @field_validator("gate_baselines")
    @classmethod
    def _popularity_first(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        """The first model that goes live asks nothing of a user, and everything else is less simple than it."""
        known = ("popularity", "recent_popularity", "item_knn", "ease")
        if unknown := [name for name in names if name not in known]:
            raise ValueError(f"'{unknown[0]}' is no baseline, only {', '.join(known)}")
        if list(names) != sorted(set(names), key=known.index) or not set(names) & set(known[:2]):
            raise ValueError(f"give a popularity model and what else is wanted in this order, once: {', '.join(known)}")
        return names

    @field_validator("mlflow_uri")
    @classmethod
    def _database_or_server(cls, uri: str | None) -> str | None:
        """An @, / or # that is not quoted would end the password early, and what is left of it be taken for something to print."""
        if uri is None:
            return None
        parts = urlsplit(uri)
        try:
            known = parts.scheme.partition("+")[0] in (*DATABASES, *SERVERS) and parts.port != 0
        except ValueError:  # a port that is no number, or too large a one
            known = False
        if not known or (parts.scheme != "sqlite" and (uri.count("@") > 1 or "@" in parts.path or parts.fragment)):
            raise ValueError(
                "give postgresql://user:password@host[:port]/database, in whose password %40, %2F, %3A and %23 stand for @, /, : and #, "
                "sqlite:///path, or the http(s):// address of a tracking server"
            )
        return uri

    @field_validator("mlflow_artifacts")
    @classmethod
    def _folder_or_bucket(cls, root: str | None, others: ValidationInfo) -> str | None:
        if root is None:
            return None
        if (others.data.get("mlflow_uri") or "").startswith(SERVERS):
            raise ValueError("the tracking server that mlflow_uri names decides where artifacts lie, so leave this out")
        if "://" not in root:
            return str(Path(root).expanduser().absolute())
        if not IN_A_BUCKET.fullmatch(root):
            raise ValueError("artifacts lie in a folder or in s3://bucket/prefix, of letters, digits and !_.*'()=-")
        return root.rstrip("/")

    @field_validator("events", mode="before")
    @classmethod
    def _laid_over_the_defaults(cls, given: Any) -> Any:
        """Whoever sets one event's weight means that one: the other events stay as they are, and so does what is not named of it."""
        if not isinstance(given, dict):
            return given
        rules: dict[str, Any] = _default_events()
        if unknown := sorted(set(given) - set(rules)):
            raise ValueError(f"there is no event '{unknown[0]}', only {', '.join(rules)}")
        told = {name: {**rules[name].model_dump(), **rule} if isinstance(rule, dict) else rule for name, rule in given.items()}
        return {**rules, **told}

    @field_validator("events")
    @classmethod
    def _some_target(cls, events: dict[str, EventRule]) -> dict[str, EventRule]:
        if not any(rule.target for rule in events.values()):
            raise ValueError("no event is a target, so nothing could be evaluated")
        if silent := [name for name, rule in events.items() if rule.target and rule.weight <= 0]:
            raise ValueError(f"'{silent[0]}' is a target, so its weight must be above 0: what is to be found must be learnt from")
        return events

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, then ``outfitter.toml``."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @property
    def lake_root(self) -> str:
        """A folder, or ``s3://bucket/prefix``."""
        return self.lake.rstrip("/") if self.lake else str(self.home / "lake")

    @property
    def online_redis(self) -> str | None:
        """Address of the Redis server that is the online store, with its password; None when that is SQLite."""
        return None if self.online_store == "sqlite" else self.online_store

    @property
    def online_file(self) -> Path:
        """SQLite's online store."""
        return self.home / "feast" / "online.db"

    @property
    def online_store_shown(self) -> str:
        """The setting as it may be printed."""
        return without_password(self.online_store)

    @property
    def tracking_uri(self) -> str:
        return self.mlflow_uri or f"sqlite:///{self.home / 'mlflow' / 'mlflow.db'}"

    @property
    def tracking_uri_shown(self) -> str:
        """The same as it may be printed."""
        return without_password(self.mlflow_uri) if self.mlflow_uri else self.tracking_uri

    @property
    def tracking_server(self) -> bool:
        """Whether MLflow's store is a server and not a database."""
        return self.tracking_uri.startswith(SERVERS)

    @property
    def artifact_root(self) -> str | None:
        """Where MLflow is to keep artifacts, as a URL; None with a tracking server, which decides itself."""
        if self.tracking_server:
            return None
        root = self.mlflow_artifacts or str(self.home / "mlflow" / "artifacts")
        return root if "://" in root else Path(root).as_uri()

    @property
    def checkpoints(self) -> Path:
        """What trainings that run, or were killed, have come to."""
        return self.home / "checkpoints"

    @property
    def reports(self) -> Path:
        return self.home / "reports"

    def prepare_home(self) -> None:
        """Make the home's folders. Raises HomeError when they cannot be written or the disk is nearly full."""
        import shutil

        self._refuse_odd_path()
        for folder in ("mlflow", "prefect", "feast", "reports"):
            _make_writable(self.home / folder)
        free = shutil.disk_usage(self.home).free >> 20
        if free < self.min_free_mb:
            raise HomeError(
                f"only {free} MiB are free on the disk that holds the home '{self.home}'",
                f"Free some space, or set OUTFITTER_HOME to a folder with at least {self.min_free_mb} MiB (setting min_free_mb).",
            )

    def _refuse_odd_path(self) -> None:
        """Delta Lake keeps paths as URLs and loses these characters on the way; spaces, accents and most others are fine."""
        if self.lake:
            return
        odd = sorted({sign for sign in self.lake_root if sign in "%[]^|\\" or sign < " "})
        if odd:
            raise HomeError(
                f"the lake cannot lie in '{self.lake_root}': its path holds {' '.join(map(repr, odd))}",
                "Set OUTFITTER_HOME to a folder without it.",
            )

    def activate(self) -> None:
        """Export what the libraries read when they are imported: their homes, and telemetry off. What is not needed of them is put off."""
        os.environ.update(
            {
                "OUTFITTER_HOME": str(self.home),
                "DO_NOT_TRACK": "true",
                "PREFECT_HOME": str(self.home / "prefect"),
                "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
                "PREFECT_LOGGING_EXTRA_LOGGERS": "outfitter",
                "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
                "MLFLOW_TRACKING_URI": self.tracking_uri,
                "MLFLOW_DISABLE_TELEMETRY": "true",
                "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
                "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
                "GX_ANALYTICS_ENABLED": "false",
                "RAY_USAGE_STATS_ENABLED": "0",
                "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false",
                "GIT_PYTHON_REFRESH": "quiet",
            }
        )
        os.environ.setdefault("PGCONNECT_TIMEOUT", str(SECONDS_TO_CONNECT))
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", str(RETRIES))
        if self.s3_endpoint:
            os.environ["MLFLOW_S3_ENDPOINT_URL"] = self.s3_endpoint
        if self.threads:
            os.environ.update(dict.fromkeys(THREAD_COUNTS, str(self.threads)))
        if self.prefect_api_url:
            os.environ["PREFECT_API_URL"] = self.prefect_api_url
        put_off_torch_of_feast()


def load_settings(**overrides: Any) -> Settings:
    """The settings, with ``overrides`` (None means not given). Raises SettingsError naming each bad one and its variable."""
    import tomllib

    from pydantic_settings import SettingsError as Unparsable

    _refuse_unknown_variables()
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        raise SettingsError(_explain(error), "See docs/settings.md for what each setting takes.") from error
    except Unparsable as error:
        raise SettingsError(f"{error}: lists and tables are given as JSON", "For example OUTFITTER_MODELS='[\"als\"]'.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{TOML} cannot be read: {error}", "Mend the line it names, or move the file away.") from error


def _refuse_unknown_variables() -> None:
    known = {f"OUTFITTER_{name.upper()}" for name in Settings.model_fields}
    for variable in sorted(os.environ):
        if variable.startswith("OUTFITTER_") and variable.split("__")[0] not in known:
            raise SettingsError(f"the environment sets {variable}, which is no setting", "See docs/settings.md for the names.")


def _explain(error: ValidationError) -> str:
    def one(problem: Any) -> str:
        name = ".".join(str(part) for part in problem["loc"])
        variable = "OUTFITTER_" + name.upper().replace(".", "__")
        given = without_password(repr(problem["input"]))
        return f"setting '{name}' ({variable} or {TOML}): {problem['msg'][:1].lower()}{problem['msg'][1:]}, got {given}"

    return "; ".join(one(problem) for problem in error.errors())


def without_password(text: str) -> str:
    """An address as it may be printed: without what stands before the host, itself with an @ perhaps, and without a password behind it."""
    bare = re.sub(r"^(['\"]?(?:[\w+.-]+:/{0,2})?).*@", r"\1***@", text)
    return re.sub(r"(password=)[^&\s'\"]*", r"\1***", bare, flags=re.IGNORECASE)


def _make_writable(folder: Path) -> None:
    probe = folder / f".writable-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        raise HomeError(
            f"the home folder '{folder.parent}' cannot be written: {error.strerror}",
            "Set OUTFITTER_HOME to a folder you may write to.",
        ) from error


def settings_table() -> str:
    """The Markdown table of all settings that ``docs/settings.md`` holds."""
    rows = ["| setting | variable | default | what it does |", "|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "see below" if name == "events" else field.get_default(call_default_factory=True)
        shown = "unset" if default is None else ", ".join(default) if isinstance(default, tuple) else str(default)
        rows.append(f"| `{name}` | `OUTFITTER_{name.upper()}` | {shown} | {field.description} |")
    rows += ["", "| event | weight | target |", "|---|---|---|"]
    rows += [f"| `{event}` | {rule.weight:g} | {'yes' if rule.target else 'no'} |" for event, rule in _default_events().items()]
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.stdout.write(settings_table())
