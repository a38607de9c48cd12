"""What takes part in a comparison: a model by name, some of its settings given, as ``als:factors=32``, or a blend, as ``als+item_knn``."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from models.base import Recipe
from models.families import build, family
from outfitter.errors import ModelError

if TYPE_CHECKING:  # Optuna takes a second to import, and only a search needs it
    from outfitter.experiments.spaces import Space

Chosen = Mapping[str, Any]


class Entry(ABC):
    """A model in the table; ``label`` is how it was asked for."""

    label: str
    model: str

    @property
    @abstractmethod
    def seeded(self) -> bool:
        """Whether chance has a part in fitting it, and is not laid down by what was given."""

    @property
    @abstractmethod
    def space(self) -> Space:
        """What may be searched for."""

    @property
    @abstractmethod
    def defaults(self) -> Chosen:
        """The settings that a search begins with, one for each name of ``space``."""

    @abstractmethod
    def recipe(self, chosen: Chosen, seed: int) -> Recipe:
        """The whole recipe: what was ``chosen`` for it, what was given, and the seed where it has one and none was given."""


@dataclass(frozen=True)
class Single(Entry):
    """One model; ``given`` are the settings that nothing else may change."""

    label: str
    model: str
    given: tuple[tuple[str, Any], ...] = ()

    @property
    def seeded(self) -> bool:
        return "seed" in {field.name for field in fields(family(self.model))} - set(dict(self.given))  # type: ignore[arg-type]

    @property
    def space(self) -> Space:
        from outfitter.experiments.spaces import space_of

        return space_of(self.model, dict(self.given))

    @property
    def defaults(self) -> Chosen:
        params = dict(self.recipe({}, 0).params)
        return {name: params[name] for name in self.space}

    def recipe(self, chosen: Chosen, seed: int) -> Recipe:
        drawn = {"seed": seed} if self.seeded else {}
        return Recipe.of(build(Recipe(self.model, tuple({**drawn, **chosen, **dict(self.given)}.items()))))


@dataclass(frozen=True)
class Blended(Entry):
    """Several models as one. ``found`` are the settings of each member, which are found before their weights are."""

    label: str
    members: tuple[Single, ...]
    found: tuple[tuple[tuple[str, Any], ...], ...] = ()
    model: str = "blend"

    @property
    def seeded(self) -> bool:
        return any(member.seeded for member in self.members)

    @property
    def space(self) -> Space:
        from outfitter.experiments.spaces import weights_of

        return weights_of(tuple(member.label for member in self.members))

    @property
    def defaults(self) -> Chosen:
        return {**dict.fromkeys(self.space, 1.0), "by": "score"}

    def recipe(self, chosen: Chosen, seed: int) -> Recipe:
        """Weights add up to 1. Raises ModelError when all are 0."""
        from outfitter.experiments.spaces import weight_name

        told = {**self.defaults, **chosen}
        weights = [told[weight_name(member.label)] for member in self.members]
        shares = tuple(weight / (sum(weights) or 1) for weight in weights)
        recipes = self.recipes(seed)
        members = tuple((recipe.model, recipe.params) for recipe in recipes)
        return Recipe.of(build(Recipe(self.model, (("members", members), ("weights", shares), ("by", told["by"])))))

    def recipes(self, seed: int) -> tuple[Recipe, ...]:
        """Those of the members."""
        found = self.found or ((),) * len(self.members)
        return tuple(member.recipe(dict(settings), seed) for member, settings in zip(self.members, found, strict=True))


def parse(text: str) -> tuple[Entry, ...]:
    """The entries of ``als,item_knn:weighting=bm25:shrink=2,als+item_knn``.

    Raises ModelError for a model or a setting that does not exist, a value out of range, and an entry that is there twice.
    """
    entries = tuple(_entry(word.strip()) for word in text.split(",") if word.strip())
    labels = [entry.label for entry in entries]
    if not entries:
        raise ModelError("no model was named", "Name some: --models popularity,item_knn")
    if twice := sorted({label for label in labels if labels.count(label) > 1}):
        raise ModelError(f"'{twice[0]}' is named twice", "Name each model once, or with other settings.")
    for entry in entries:
        entry.recipe({}, 0)
    return entries


def _entry(word: str) -> Entry:
    members = word.split("+")
    if len(set(members)) < len(members):
        raise ModelError(f"'{word}' blends a model with itself", "Name each member once.")
    return _single(word) if len(members) == 1 else Blended(word, tuple(_single(member.strip()) for member in members))


def _single(word: str) -> Single:
    model, *settings = word.split(":")
    given = []
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise ModelError(f"'{setting}' in '{word}' sets nothing", "Write it as name=value, for example als:factors=32.")
        given.append((name, _value(value)))
    return Single(word, model, tuple(given))


def _value(text: str) -> Any:
    """A number, true, false or null as JSON writes them; anything else is text."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
