"""A lake is founded once, and what was decided then holds."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from outfitter.errors import LakeError
from outfitter.lake.founding import SCHEMA_VERSION, Facts, facts, found, refuse_other_source
from outfitter.lake.tables import Lake
from outfitter.schema import TABLES
from tests.outfitter.lake.frames import NOW


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def test_before_the_founding_nothing_is_known(lake: Lake) -> None:
    assert facts(lake) is None
    refuse_other_source(lake, "anything")
    lake.create("lake")
    assert facts(lake) is None


def test_the_first_founding_holds(lake: Lake) -> None:
    assert found(lake, 8, "vibrent", NOW) == Facts(8, "vibrent")
    assert found(lake, 64, "synthetic", NOW) == Facts(8, "vibrent") == facts(lake)
    assert all(lake.exists(table) for table in TABLES)


def test_another_source_is_sent_to_a_home_of_its_own(lake: Lake) -> None:
    found(lake, 8, "vibrent", NOW)
    refuse_other_source(lake, "vibrent")
    with pytest.raises(LakeError, match=r"holds data of source 'vibrent', not 'synthetic'.*OUTFITTER_HOME=.outfitter-synthetic"):
        refuse_other_source(lake, "synthetic")


def test_tables_of_another_schema_version_are_refused(lake: Lake) -> None:
    lake.create("lake")
    lake.append("lake", pl.DataFrame({"n_buckets": [8], "source": ["vibrent"], "schema_version": [SCHEMA_VERSION + 1]}))
    for attempt in (lambda: facts(lake), lambda: found(lake, 8, "vibrent", NOW), lambda: refuse_other_source(lake, "vibrent")):
        with pytest.raises(LakeError, match=f"schema version {SCHEMA_VERSION + 1}, this program reads {SCHEMA_VERSION}"):
            attempt()
