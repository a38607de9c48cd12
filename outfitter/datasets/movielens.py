"""MovieLens: ratings of films, in the layouts of 100k, 1M (10M too) and 25M (20M, 32M and latest too) (Harper and Konstan 2015)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import ClassVar

import polars as pl

from outfitter.datasets.base import Adapter, Frames, Role, SourceFile
from outfitter.datasets.blocks import Encoding, blocks
from outfitter.datasets.discovery import instead
from outfitter.datasets.reading import Cells, Part, read_csv
from outfitter.errors import SourceError
from outfitter.schema import EPOCH, INTERACTION_FRAME, ITEM_FRAME, STRING, USER_FRAME, UTC_TIME

LAYOUTS: tuple[Mapping[str, Role], ...] = (
    {"u.item": "items", "u.user": "users", "u.data": "interactions"},
    {"movies.dat": "items", "users.dat": "users", "ratings.dat": "interactions"},
    {"movies.csv": "items", "ratings.csv": "interactions"},
)
RATINGS = ("userId", "movieId", "rating", "timestamp")
MOVIES = ("movieId", "title", "genres")
USERS_100K = ("user id", "age", "gender", "occupation", "zip code")
USERS_1M = ("UserID", "Gender", "Age", "Occupation", "Zip-code")
GENRES = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy"),
    *("Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
ITEMS_100K = ("movie id", "movie title", "release date", "video release date", "IMDb URL", *GENRES)
COLUMNS = {
    **{"u.data": (RATINGS, "\t"), "u.item": (ITEMS_100K, "|"), "u.user": (USERS_100K, "|")},
    **{"ratings.dat": (RATINGS, "::"), "movies.dat": (MOVIES, "::"), "users.dat": (USERS_1M, "::")},
    **{"ratings.csv": (RATINGS, ","), "movies.csv": (MOVIES, ",")},
}
NO_GENRE = ("", "unknown", "(no genres listed)")
YEAR = r"\((\d{4})\)\s*$"
ASKED_100K = 1998  # ages of 100k were told between September 1997 and April 1998


class MovieLensAdapter(Adapter):
    """The files may lie in the folder itself or, as they are unpacked, in one folder within it. Tags, links and genome are not read."""

    name: ClassVar[str] = "movielens"
    summary: ClassVar[str] = "MovieLens: u.data, u.item (100k), ratings.dat, movies.dat (1M) or ratings.csv, movies.csv (25M)"

    def discover(self, names: Sequence[str], where: str) -> Mapping[str, Role]:
        """Films, users (where there are some) and ratings of one layout. Raises SourceError when none, or more than one, is there."""
        found = [(layout, folder) for layout in LAYOUTS for folder in _folders(names, list(layout)[-1])]
        if not found:
            told = f"{where} lacks u.data, ratings.dat or ratings.csv, of which source 'movielens' needs one"
            raise SourceError(told, instead(names, "ratings.csv"))
        if len(found) > 1:
            each = " and ".join(str(folder / list(layout)[-1]) for layout, folder in found)
            raise SourceError(f"{where} holds more than one MovieLens: {each}", "Give the folder of one: they rate the same films")
        (layout, folder), films = found[0], str(found[0][1] / next(iter(found[0][0])))
        if films not in names:
            raise SourceError(f"{where} lacks {films}, which source 'movielens' needs", instead(names, films))
        return {str(folder / name): role for name, role in layout.items() if str(folder / name) in names}

    def read(self, file: SourceFile) -> Iterator[Frames]:
        """Ratings as ``rating`` events, films as items, people as users. Raises SourceError when the file is not of its layout."""
        kind = PurePosixPath(file.name).name
        for rows in self._rows(file, kind):
            cells = Cells(rows, file)
            if file.role == "interactions":
                yield Frames(interactions=_ratings(cells))
            elif file.role == "items":
                yield Frames(items=_films_100k(cells, rows) if kind == "u.item" else _films(cells, rows))
            else:
                yield Frames(users=_users_100k(cells) if kind == "u.user" else _users_1m(cells))

    def _rows(self, file: SourceFile, kind: str) -> Iterator[pl.DataFrame]:
        """The rows of a file, by its name: only the newest layout has headers, and the oldest two are not all UTF-8."""
        if all(layout.get(kind) != file.role for layout in LAYOUTS):
            raise SourceError(f"source 'movielens' has no file {file.name} of {file.role}", "Use discover()")
        names, separator = COLUMNS[kind]
        if kind.endswith(".csv"):
            return read_csv(file, names, separator, block_bytes=self.block_bytes)
        coding = _encoding(file) if file.role == "items" else "utf-8"
        return read_csv(file, names, separator, names=names, quoted=False, encoding=coding, block_bytes=self.block_bytes)


def _folders(names: Sequence[str], ratings: str) -> list[PurePosixPath]:
    """The folders, the source itself or one within it, that hold ``ratings``."""
    paths = [PurePosixPath(name) for name in names]
    return [path.parent for path in paths if path.name == ratings and len(path.parts) <= 2]


def _encoding(file: SourceFile) -> Encoding:
    """u.item and the movies.dat of 1M are Latin-1, the movies.dat of 10M is UTF-8, which accented Latin-1 never happens to be."""
    try:
        for _ in blocks(file, 1 << 20, quoted=False):
            pass
    except SourceError:  # whatever else is wrong with it, the reading that follows says so
        return "latin-1"
    return "utf-8"


def _ratings(cells: Cells) -> pl.DataFrame:
    """INTERACTION_FRAME; ``value`` is the stars, .5 to 5."""
    parts = {
        "user_id": cells.text("userId"),
        "item_id": cells.text("movieId"),
        "timestamp": cells.epoch("timestamp", "s"),
        "event": cells.literal("rating", STRING),
        "value": cells.real("rating"),
    }
    return cells.frame(parts, INTERACTION_FRAME, ("user_id", "item_id", "timestamp", "value"))


def _films(cells: Cells, rows: pl.DataFrame) -> pl.DataFrame:
    return _items(cells, cells.text("movieId"), cells.text("title"), rows["genres"].fill_null("").str.split("|"))


def _films_100k(cells: Cells, rows: pl.DataFrame) -> pl.DataFrame:
    """A flag a genre, 0 or 1."""
    flags = [pl.when(pl.col(genre) == "1").then(pl.lit(genre)) for genre in GENRES]
    genres = rows.select(pl.concat_list(flags).list.drop_nulls().alias("genres"))["genres"]
    return _items(cells, cells.text("movie id"), cells.text("movie title"), genres)


def _items(cells: Cells, film: Part, title: Part, genres: pl.Series) -> pl.DataFrame:
    """ITEM_FRAME: all genres are ``tags``, the first is the ``category``; ``season`` is the year that the title ends in.

    genres: List(String), with a word for none.
    """
    listed = pl.element().str.strip_chars()
    tags = genres.list.eval(listed.filter(~listed.is_in(NO_GENRE)))
    parts = {
        "item_id": film,
        "valid_from": cells.literal(EPOCH, UTC_TIME),
        "title": title,
        "category": cells.derived(tags.list.get(0, null_on_oob=True)),
        "season": cells.derived(title.values.str.extract(YEAR)),
        "tags": cells.derived(tags),
    }
    return cells.frame(parts, ITEM_FRAME, ("item_id",))


def _users_100k(cells: Cells) -> pl.DataFrame:
    """USER_FRAME; the birth year is right to a year, as ages are told in whole years."""
    age = cells.integer("age")
    born = {"birth_year": cells.given("age", ASKED_100K - age.values, age.kind, "24")}
    return _users(cells, cells.text("user id"), cells.text("gender"), cells.text("zip code"), born)


def _users_1m(cells: Cells) -> pl.DataFrame:
    """USER_FRAME without birth years: 1M tells age groups, of which two are open."""
    return _users(cells, cells.text("UserID"), cells.text("Gender"), cells.text("Zip-code"), {})


def _users(cells: Cells, user: Part, gender: Part, region: Part, more: Mapping[str, Part]) -> pl.DataFrame:
    parts = {"user_id": user, "valid_from": cells.literal(EPOCH, UTC_TIME), "gender": gender, "region": region, **more}
    return cells.frame(parts, USER_FRAME, ("user_id",))
