"""H&M Personalized Fashion Recommendations, in the layout in which the competition's data are published."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ClassVar, Literal

import polars as pl

from outfitter.datasets.base import Adapter, Frames, Role, SourceFile
from outfitter.datasets.discovery import instead, matching
from outfitter.datasets.reading import Cells, Part, read_csv
from outfitter.errors import SourceError
from outfitter.schema import COUNT, EPOCH, INTERACTION_FRAME, ITEM_FRAME, STRING, USER_FRAME, UTC_TIME

LAST_YEAR = 2020  # the published data end on 2020-09-22, and a customer's age is that of then
CHANNELS = {"1": "store", "2": "online"}
FILES: Mapping[Role, tuple[str, str]] = {  # the published name, and those of what comes after it
    "items": ("articles.csv", "articles_*.csv"),
    "users": ("customers.csv", "customers_*.csv"),
    "interactions": ("transactions_train.csv", "transactions_*.csv"),
}
TAGS = (
    "product_group_name",
    "graphical_appearance_name",
    "perceived_colour_master_name",
    "department_name",
    "index_name",
    "index_group_name",
    "garment_group_name",
)
ARTICLE_COLUMNS = (
    "article_id",
    "product_code",
    "prod_name",
    "product_type_name",
    "colour_group_name",
    "section_name",
    "detail_desc",
    *TAGS,
)
CUSTOMER_COLUMNS = ("customer_id", "club_member_status", "age", "postal_code")
TRANSACTION_COLUMNS = ("t_dat", "customer_id", "article_id", "price", "sales_channel_id")


class HMAdapter(Adapter):
    """Rows alike in every column are pieces of one purchase: the same article bought twice on one day is two rows."""

    name: ClassVar[str] = "hm"
    summary: ClassVar[str] = "H&M: a folder with articles.csv, customers.csv, transactions_train.csv, and later transactions_*.csv"
    identical_rows: Literal["duplicate", "quantity"] = "quantity"

    def discover(self, names: Sequence[str], where: str) -> Mapping[str, Role]:
        """Articles, customers, transactions: the published file of each before the later ones, which are sorted by name.

        None is demanded, so that a day's delivery may come alone and the catalogue after it; all of them missing is a SourceError, and
        so is a published name written in other letters (it would pass for a file of somebody else's).
        """
        found: dict[str, Role] = {}
        for role, (published, later) in FILES.items():
            odd = [name for name in names if name != published and name.lower() == published]
            if odd:
                raise SourceError(f"{where} holds {odd[0]}, which source {self.name!r} knows as {published}", "Rename it")
            for end in ("", ".gz"):
                found |= dict.fromkeys([published + end] if published + end in names else [], role)
                found |= dict.fromkeys(matching(names, later + end), role)
        if not found:
            wanted = FILES["interactions"][0]
            raise SourceError(f"{where} lacks {wanted}, which source {self.name!r} needs", instead(names, wanted))
        return found

    def read(self, file: SourceFile) -> Iterator[Frames]:
        """Purchases, articles as items or customers as users. Raises SourceError when the file is not of this layout."""
        columns, frames = READ[file.role]
        for rows in read_csv(file, columns, block_bytes=self.block_bytes):
            yield frames(Cells(rows, file))


def _transactions(cells: Cells) -> Frames:
    """A row is one piece, hence the quantity. ``price`` is in a unit of the publisher's: it compares, and is no currency."""
    parts = {
        "user_id": cells.text("customer_id"),
        "item_id": cells.text("article_id"),
        "timestamp": cells.moment("t_dat", ["%Y-%m-%d"]),
        "event": cells.literal("purchase", STRING),
        "quantity": cells.literal(1, COUNT),
        "price": cells.real("price"),
        "channel": _channel(cells),
    }
    return Frames(interactions=cells.frame(parts, INTERACTION_FRAME, required=["user_id", "item_id", "timestamp"]))


def _articles(cells: Cells) -> Frames:
    """One static catalogue, without prices, sizes and materials.

    category is the product type (Trousers, Dress, Vest top): what a customer looks for, and what has a price level of its own; its
    group lumps T-shirts with coats. There is one brand, so in its place stands the section (Divided Collection, H&M+, Mama): the
    house's own lines, each with its customers and prices, which is what a brand is to taste. A style is a product code.
    """
    article = cells.text("article_id")
    tags = pl.select(pl.concat_list(cells.text(column).values.alias(column) for column in TAGS).alias("tags"))["tags"]
    parts = {
        "item_id": article,
        "valid_from": cells.literal(EPOCH, UTC_TIME),
        "title": cells.text("prod_name"),
        "description": cells.text("detail_desc"),
        "category": cells.text("product_type_name"),
        "colour": cells.text("colour_group_name"),
        "brand": cells.text("section_name"),
        "style": cells.text("product_code"),
        "tags": cells.derived(tags.list.drop_nulls().list.unique(maintain_order=True)),
        "image_path": cells.derived("images/" + article.values.str.head(3) + "/" + article.values + ".jpg"),
    }
    return Frames(items=cells.frame(parts, ITEM_FRAME, required=["item_id"]))


def _customers(cells: Cells) -> Frames:
    """``region`` is the postal code, a hash. What tells who gets news by mail (FN, Active, fashion_news_frequency) has no place here."""
    age = cells.integer("age")
    parts = {
        "user_id": cells.text("customer_id"),
        "valid_from": cells.literal(EPOCH, UTC_TIME),
        "birth_year": Part(LAST_YEAR - age.values, age.raw, age.column, age.kind, age.example),
        "region": cells.text("postal_code"),
        "membership": cells.text("club_member_status"),
    }
    return Frames(users=cells.frame(parts, USER_FRAME, required=["user_id"]))


def _channel(cells: Cells) -> Part:
    number = cells.text("sales_channel_id").values
    return cells.given(
        "sales_channel_id", number.replace_strict(CHANNELS, default=None, return_dtype=STRING), "1 (store) or 2 (online)", "2"
    )


READ: Mapping[Role, tuple[Sequence[str], Callable[[Cells], Frames]]] = {
    "items": (ARTICLE_COLUMNS, _articles),
    "users": (CUSTOMER_COLUMNS, _customers),
    "interactions": (TRANSACTION_COLUMNS, _transactions),
}
