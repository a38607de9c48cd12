"""The data docs: one static site that shows every validation so far, without a byte from the network.

Their folder holds ``suites/`` and ``results/`` (JSON, what the site can be built from anew) and ``site/`` (the pages).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from expectations.guard import quiet

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite
    from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResult
    from great_expectations.data_context.data_context.abstract_data_context import AbstractDataContext
    from great_expectations.data_context.types.resource_identifiers import ValidationResultIdentifier

SITE = "site"


def build_docs(folder: Path) -> Path:
    """The index of every page under ``folder``, written anew; returns its path. Once a run is enough.

    A run that died before it is made good by the next one: pages are written as validations happen.
    """
    with quiet():
        context(folder).build_data_docs(resource_identifiers=_NO_PAGE, build_index=True)
    return folder.resolve() / SITE / "index.html"


_NO_PAGE: Any = ["none"]  # an empty list would mean every page


def add_page(folder: Path, suite: ExpectationSuite, key: ValidationResultIdentifier, result: ExpectationSuiteValidationResult) -> Path:
    """Keeps one shortened result and writes its page and its suite's; returns the result's. The index is left to ``build_docs``.

    A suite's page shows its parameters as of the last validation; a result's page shows those it was held to.
    """
    docs = context(folder)
    docs.suites.add_or_update(copy_of(suite))
    docs.validation_results_store.set(key, result)
    pages: list[Any] = [key, key.expectation_suite_identifier]
    docs.build_data_docs(resource_identifiers=pages, build_index=False)
    run = key.run_id.to_tuple()
    return folder.resolve() / SITE / "validations" / suite.name / Path(*run) / f"{key.batch_identifier}.html"


def context(docs: Path | None) -> AbstractDataContext:
    """A context that lives in memory; with ``docs`` its results and its site lie in that folder."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import DataContextConfig, InMemoryStoreBackendDefaults, ProgressBarsConfig

    defaults = InMemoryStoreBackendDefaults()
    if docs is not None:
        defaults.stores[defaults.expectations_store_name]["store_backend"] = _files(docs.resolve() / "suites", ".json")
        defaults.stores[defaults.validation_results_store_name]["store_backend"] = _files(docs.resolve() / "results", ".json")
        defaults.data_docs_sites = {"validations": _site(docs.resolve() / SITE)}
    config = DataContextConfig(store_backend_defaults=defaults, analytics_enabled=False, progress_bars=ProgressBarsConfig(globally=False))
    return gx.get_context(project_config=config, mode="ephemeral")


def _files(folder: Path, suffix: str) -> dict[str, Any]:
    return {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder), "filepath_suffix": suffix}


def _site(folder: Path) -> dict[str, Any]:
    view = {"module_name": "expectations.pages", "class_name": "OfflinePage"}
    every_name = {"matches_regex": "."}  # left out, the library hides runs with "profiling" in their name
    return {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)},
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder", "view": view},
        "site_section_builders": {
            "expectations": {"view": view},
            "profiling": "None",
            "validations": {"view": view, "run_name_filter": every_name},
        },
    }


def copy_of(suite: ExpectationSuite) -> ExpectationSuite:
    """A context writes its own ids into the suite it is given, and refuses one that has another context's."""
    import great_expectations as gx

    return gx.ExpectationSuite(name=suite.name, expectations=[one.configuration.to_domain_obj() for one in suite.expectations])
