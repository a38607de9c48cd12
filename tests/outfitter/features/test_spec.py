"""The list and its document."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from outfitter.features.spec import ITEM_FEATURES, USER_FEATURES, Feature, features_table, names

DOCUMENT = Path(__file__).parents[3] / "docs" / "features.md"


@pytest.mark.parametrize(("heading", "features"), [("users", USER_FEATURES), ("items", ITEM_FEATURES)])
def test_the_document_holds_the_list(heading: str, features: tuple[Feature, ...]) -> None:
    found = re.findall(rf"<!-- {heading} -->\n(.*?)<!-- /{heading} -->", DOCUMENT.read_text(), flags=re.DOTALL)
    assert found == [features_table(features)], "write it anew: python -m outfitter.features.spec"


def test_names_are_unique_across_both_lists() -> None:
    """A training row holds the features of its user and its item side by side."""
    everything = [*names(USER_FEATURES), *names(ITEM_FEATURES)]
    assert len(set(everything)) == len(everything)


@pytest.mark.parametrize("feature", [*USER_FEATURES, *ITEM_FEATURES], ids=lambda feature: feature.name)
def test_every_feature_says_what_it_is(feature: Feature) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*", feature.name)
    assert len(feature.definition.split()) >= 4
    assert "|" not in feature.definition
    if feature.window is not None:
        assert re.search(rf"\b{feature.window}\b|that age", feature.definition)
