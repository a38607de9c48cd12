"""Lineage in words: the facts and cells that the terminal and the pages have in common."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from outfitter.schema import EPOCH

Told = Mapping[str, Any]
DELIVERIES = ("object", "id", "status", "accepted", "set aside", "events", "validation", "told of")
TOUCHED = {
    "snapshots": ("snapshot", "snapshots"),
    "features": ("materialization", "materializations"),
    "models": ("fitted model", "fitted models"),
    "decisions": ("decision", "decisions"),
    "batches": ("batch of recommendations", "batches of recommendations"),
}
MODELS = ("run", "model", "version", "role", "learnt until", "snapshot", "learnt from it")


def about_list(told: Told) -> dict[str, str]:
    """What is known of a list besides its items, name by name."""
    batch, model, history = told["batch"], told["model"], told["history"]
    return {
        "user": told["user"]["user_id"],
        "batch": f"{batch['batch_id']}, as of {_minute(batch['as_of'])}, published {_minute(batch['published_at'])}",
        "validation": _validation(batch["validation"]),
        "model": f"{model['model']}, version {model['version']}, MLflow run {model['run_id']}, learnt until {_moment(model['fit_until'])}",
        **_decided(model),
        **_snapshots(told["snapshots"]),
        "features": _features(told["features"]),
        "history": "its rows are gone" if history is None else _history(history),
    }


def about_delivery(told: Told) -> dict[str, str]:
    """What is known of a delivery itself, name by name."""
    row = told["delivery"]
    past = [f"{_minute(one['ingested_at'])} {one['status']} as {one['object']}" for one in row["history"]]
    why = _set_aside(row["reasons"])
    aside = f"{row['rows_quarantined']:,} set aside" + (f" ({'; '.join(why)})" if why else "")
    facts = {
        "delivery": f"{row['object']} ({row['delivery_id']}), {row['role']} of source {row['source']}",
        "status": row["said"],
        "rows": f"{row['rows_in']:,} in, {row['rows_accepted']:,} accepted, {aside}",
        "events": events_of(row) or "none",
        "validation": "; ".join([row["validation_id"] or "none", *_warnings(row)]),
        "ledger": "; ".join(past),
    }
    return {**facts, "touched": ", ".join(_counted(len(told[name]), *words) for name, words in TOUCHED.items())}


def summed_up(told: Told) -> str:
    """All deliveries that did not tell of this very list, in one line."""
    others = [row for row in told["deliveries"] if not row["told_of"]]
    if not others:
        return "No other delivery is in the snapshots."
    rows, aside = (sum(row[name] for row in others) for name in ("rows_accepted", "rows_quarantined"))
    warned, gone = sum(bool(row["warnings"]) for row in others), sum(row["now"] != "counts" for row in others)
    held = _counted(len(others), "other delivery is in the snapshots", "other deliveries are in the snapshots")
    return f"{held}: {rows:,} rows accepted, {aside:,} set aside; {warned:,} with warnings, {gone:,} that do not count any more."


def delivery_cells(row: Told) -> list[str]:
    """In the order of ``DELIVERIES``; the validation by its id, with what it found."""
    now = row["now"] if row["now"] != "replaced" else f"replaced by {row['replaced_by'][:8]}"
    validation = "; ".join([(row["validation_id"] or "none")[:8], *_set_aside(row["reasons"]), *_warnings(row)])
    counts = [f"{row['rows_accepted']:,}", f"{row['rows_quarantined']:,}"]
    return [row["object"], row["delivery_id"][:8], now, *counts, events_of(row), validation, ", ".join(row["told_of"])]


def model_cells(row: Told) -> list[str]:
    """In the order of ``MODELS``."""
    learnt = {True: "yes", False: "no, its events are later", None: "not known"}[row["learnt_from_it"]]
    until = _moment(row["fit_until"])
    return [row["run_id"][:8], row["model"] or "", row["version"] or "", row["role"], until, (row["snapshot"] or "")[:8], learnt]


def item_cells(row: Told) -> list[str]:
    """rank, item, id, score; of an item whose rows are gone only its key is known."""
    return [str(row["rank"]), row.get("words", "not known"), row.get("item_id", f"key {row['item_key']}"), f"{row['score']:.4g}"]


def feature_cells(one: Told) -> list[str]:
    """name, value (a day as its date and age), unit, what a model sees, definition."""
    return [one["name"], _value(one), one["unit"], "" if one["as_seen"] is None else f"{one['as_seen']:.4g}", one["definition"]]


def events_of(row: Told) -> str:
    """The days of a delivery's events."""
    if not row["first_event"]:
        return ""
    return " to ".join(sorted({f"{row[name]:%Y-%m-%d}" for name in ("first_event", "last_event")}))


def _value(one: Told) -> str:
    if one["value"] is None:
        return ""
    if one["unit"] == "day":
        return f"{EPOCH + timedelta(days=one['value']):%Y-%m-%d}, {one['as_read']:.1f} days ago"
    return f"{one['value']:,.4g}" if one["value"] < 1e4 else f"{one['value']:,.0f}"


def _decided(model: Told) -> dict[str, str]:
    told = "; ".join(f"{one['verdict']} {_minute(one['decided_at'])}: {one['reason']}" for one in model["decisions"])
    facts = {"decision": told or "none is recorded for this version"}
    if other := model["instead_of"]:
        since = f"{other['verdict']} {_minute(other['decided_at'])}"
        facts["instead of"] = f"version {other['version']} was in production ({since}) and could not be used"
    return facts


def _snapshots(snapshots: Told) -> dict[str, str]:
    training, shown = snapshots["training"], snapshots["list"]
    if training and shown and training["id"] == shown["id"]:
        return {"made from": f"{_snapshot(shown)}; the model learnt from the same"}
    return {"learnt from": _snapshot(training), "made from": _snapshot(shown)}


def _snapshot(one: Told | None) -> str:
    if one is None:
        return "a snapshot that is not known"
    versions = ", ".join(f"{table} {version}" for table, version in one["versions"].items())
    return f"snapshot {one['id']}, as of {_minute(one['as_of'])}, {len(one['deliveries']):,} deliveries; table versions {versions}"


def _validation(one: Told) -> str:
    held = f" {one['expectations']} expectations" if one["expectations"] else " the recommendations suite"
    return f"{one['id']}: the batch passed{held}"


def _features(features: Told) -> str:
    if features["materialization"] is None:
        return "not known"
    read = {True: "read by this model", False: "not read by this model, which goes by the history alone", None: ""}[features["read"]]
    row = "" if features["row"] else "; this user has no row"
    return f"materialization {features['materialization']}, as of {_minute(features['cutoff'])}{row}; {read}"


def _history(history: Told) -> str:
    kinds = ", ".join(f"{count:,} {event}" for event, count in history["by_event"].items())
    told = f"{history['events']:,} events on {history['items']:,} items"
    return f"{told} ({kinds}), from {len(history['deliveries'])} deliveries" if history["events"] else "no event: a newcomer"


def _warnings(row: Told) -> list[str]:
    return [f"warned: {one}" for one in row["warnings"] or ()]


def _set_aside(reasons: Mapping[str, int]) -> list[str]:
    return [f"{rows:,} {reason}" for reason, rows in reasons.items()]


def _counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


def _moment(text: str | None) -> str:
    return _minute(datetime.fromisoformat(text)) if text else "unknown"
