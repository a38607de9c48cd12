"""Lineage as a graph: nodes in layers from deliveries to lists, many of a layer folded into one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

LAYERS = ("delivery", "snapshot", "features", "model", "decision", "batch", "list")
PLURALS = {"delivery": "deliveries", "features": "feature tables", "batch": "batches"}
MOST = 12
"""Nodes of one layer; where there are more the rest are one node that says how many."""


@dataclass(frozen=True)
class Node:
    """id: unique in the graph. kind: its layer. lines: what its box says. detail: all there is to say of it. faint: not what it seems."""

    id: str
    kind: str
    lines: tuple[str, ...]
    detail: str = ""
    faint: bool = False


@dataclass
class Graph:
    """Nodes, of which the more telling come first, and edges from cause to effect."""

    nodes: dict[str, Node] = field(default_factory=dict)
    edges: dict[tuple[str, str], None] = field(default_factory=dict)

    def add(self, kind: str, key: str, *lines: str, detail: str = "", faint: bool = False) -> str:
        """A node, once; returns its id."""
        id_ = f"{kind}:{key}"
        self.nodes.setdefault(id_, Node(id_, kind, lines, detail, faint))
        return id_

    def join(self, cause: str, effect: str) -> None:
        """An edge; to or from what is not in the graph there is none."""
        if cause in self.nodes and effect in self.nodes:
            self.edges[cause, effect] = None

    def layer(self, kind: str) -> list[Node]:
        return [node for node in self.nodes.values() if node.kind == kind]

    def folded(self) -> Graph:
        """At most ``MOST`` nodes a layer."""
        out, where = Graph(), {}
        for kind in LAYERS:
            nodes = self.layer(kind)
            shown = nodes if len(nodes) <= MOST else nodes[: MOST - 1]
            out.nodes.update({node.id: node for node in shown})
            where.update({node.id: node.id for node in shown})
            if rest := nodes[len(shown) :]:
                fold = out.add(kind, "more", f"and {len(rest):,} more", PLURALS.get(kind, f"{kind}s"))
                where.update({node.id: fold for node in rest})
        for cause, effect in self.edges:
            out.join(where[cause], where[effect])
        return out

    def told(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"nodes": [asdict(node) for node in self.nodes.values()], "edges": [list(edge) for edge in self.edges]}


def graph_of_list(told: Mapping[str, Any]) -> Graph:
    """The graph of ``lineage_of_list``; the deliveries that told of this very list by name, the others as one node."""
    graph, batch, model = Graph(), told["batch"], told["model"]
    snapshots = {name: _snapshot(graph, one["id"], one["as_of"]) for name, one in told["snapshots"].items() if one}
    for row in _by_weight(told):
        node = _delivery(graph, row)
        for name in row["in"]:
            graph.join(node, snapshots[name])
    made = _features(graph, model["materialization"], model["fit_until"])
    graph.join(snapshots.get("training", ""), made)
    fitted = graph.add("model", model["run_id"], f"version {model['version']}", model["model"], detail=f"MLflow run {model['run_id']}")
    graph.join(made if model["materialization"] else snapshots.get("training", ""), fitted)
    shown = graph.add(
        "batch", batch["batch_id"], batch["batch_id"][:8], f"{batch['published_at']:%Y-%m-%d %H:%M}", detail=batch["batch_id"]
    )
    for one in model["decisions"]:
        decided = _decision(graph, one)
        graph.join(fitted, decided)
        graph.join(decided, shown)
    if not model["decisions"]:
        graph.join(fitted, shown)
    asked = _features(graph, batch["materialization"], batch["as_of"])
    graph.join(snapshots.get("list", ""), asked)
    graph.join(asked if batch["materialization"] else snapshots.get("list", ""), shown)
    user = told["user"]["user_id"]
    graph.join(shown, graph.add("list", user, f"{len(told['list'])} items", f"for {user}", detail=user))
    return graph


def graph_of_delivery(told: Mapping[str, Any]) -> Graph:
    """The graph of ``lineage_of_delivery``; of each layer the newest first, and what went live before what did not."""
    graph = Graph()
    delivery = _delivery(graph, told["delivery"])
    for one in reversed(told["snapshots"]):
        graph.join(delivery, _snapshot(graph, one["snapshot_id"], one["as_of"]))
    for one in reversed(told["features"]):
        graph.join(f"snapshot:{one['snapshot_id']}", _features(graph, one["id"], one["as_of"]))
    for run in (*_newest(told["models"], live=True), *_newest(told["models"], live=False)):
        _model(graph, run)
    for one in reversed(told["decisions"]):
        decided = _decision(graph, one)
        for run in told["models"]:
            if _judged(one, run):
                graph.join(f"model:{run['run_id']}", decided)
    for one in reversed(told["batches"]):
        _made(graph, one, told["decisions"])
    return graph


def _newest(runs: Sequence[Mapping[str, Any]], live: bool) -> list[Mapping[str, Any]]:
    """Those that are registered versions, or those that are not, the newest first."""
    return [run for run in reversed(runs) if (run["version"] is not None) == live]


def _model(graph: Graph, run: Mapping[str, Any]) -> None:
    name = f"version {run['version']}" if run["version"] else run["role"]
    unlearnt = run["learnt_from_it"] is False
    detail = f"MLflow run {run['run_id']}" + (", which learnt until before its events" if unlearnt else "")
    node = graph.add("model", run["run_id"], name, run["model"] or "unknown", detail=detail, faint=unlearnt or not run["version"])
    graph.join(_known(graph, run["materialization"], run["snapshot"]), node)


def _known(graph: Graph, materialization: str | None, snapshot_id: str | None) -> str:
    """The feature rows, or where they are not known their snapshot."""
    made = f"features:{materialization}"
    return made if made in graph.nodes else f"snapshot:{snapshot_id}"


def _judged(decision: Mapping[str, Any], run: Mapping[str, Any]) -> bool:
    """Whether a decision put a run's version live, or was on its recipe, fitted from the same snapshot, and changed nothing."""
    if decision["version"] is not None:
        return bool(decision["version"] == run["version"])
    return bool(decision["challenger"] == run["model"] and decision["snapshot_id"] == run["snapshot"] and not run["version"])


def _made(graph: Graph, one: Mapping[str, Any], decisions: Sequence[Mapping[str, Any]]) -> None:
    """A batch, joined to what it was made from: its features, and the decision by which its version was in production then."""
    node = _batch(graph, one)
    if "snapshot" in one["by"]:
        graph.join(_known(graph, one["materialization"], one["snapshot_id"]), node)
    live = [row for row in decisions if row["version"] == one["model_version"] and row["decided_at"] <= one["published_at"]]
    if live and "model" in one["by"]:
        graph.join(f"decision:{live[-1]['decision_id']}", node)


def _batch(graph: Graph, one: Mapping[str, Any]) -> str:
    when = f"{one['published_at']:%Y-%m-%d %H:%M}"
    return graph.add("batch", one["batch_id"], one["batch_id"][:8], when, detail=one["batch_id"])


def _by_weight(told: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Deliveries that told of this list, those of most of its user's events first; the others after them."""
    events = (told["history"] or {"deliveries": {}})["deliveries"]
    return sorted(told["deliveries"], key=lambda row: (not row["told_of"], -events.get(row["delivery_id"], 0)))


def _delivery(graph: Graph, row: Mapping[str, Any]) -> str:
    detail = f"{row['object']} ({row['delivery_id']}): {row['rows_accepted']:,} rows, {row['now']}"
    return graph.add("delivery", row["delivery_id"], row["object"], _fate(row), detail=detail, faint=row["now"] != "counts")


def _fate(row: Mapping[str, Any]) -> str:
    return f"{row['rows_accepted']:,} rows" + ("" if row["now"] == "counts" else f", {row['now']}")


def _snapshot(graph: Graph, snapshot_id: str, as_of: Any) -> str:
    return graph.add("snapshot", snapshot_id, snapshot_id[:8], f"as of {as_of:%Y-%m-%d}", detail=snapshot_id)


def _features(graph: Graph, materialization: str | None, as_of: Any) -> str:
    if materialization is None:
        return ""
    return graph.add("features", materialization, materialization[:16], f"as of {str(as_of)[:10]}", detail=materialization)


def _decision(graph: Graph, one: Mapping[str, Any]) -> str:
    when = f"{one['decided_at']:%Y-%m-%d %H:%M}"
    return graph.add("decision", one["decision_id"], one["verdict"], when, detail=one["reason"], faint=one["version"] is None)


def names_of(kinds: Iterable[str]) -> list[str]:
    """Layers as a legend calls them."""
    return [kind if kind != "model" else "model version" for kind in kinds]
