"""The pages of the data docs with our frame around the library's content.

The library's own templates fetch Bootstrap, jQuery, Vega and its logo from the network and draw the index with scripts; ours,
in ``templates/``, stand before them in the search path and need neither. This module is named in the site's configuration
and imported by the library when it builds a page.
"""

from __future__ import annotations

from typing import Any

from great_expectations.render.view.view import DefaultJinjaPageView
from jinja2 import ChoiceLoader, PackageLoader


class OfflinePage(DefaultJinjaPageView):
    """Renders a validation's page and the index, both self-contained."""

    _template = "offline_page.j2"

    def __init__(self, custom_styles_directory: Any = None, custom_views_directory: Any = None) -> None:
        super().__init__(custom_styles_directory, custom_views_directory)
        if self.env.loader is None:
            raise TypeError("the view has no templates to stand before")
        self.env.loader = ChoiceLoader([PackageLoader("expectations", "templates"), self.env.loader])
