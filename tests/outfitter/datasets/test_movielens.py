"""MovieLens in its three layouts, on small files as they are published: no headers, other separators, Latin-1."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from outfitter.datasets.base import Role, SourceFile
from outfitter.datasets.movielens import GENRES, MovieLensAdapter
from outfitter.errors import SourceError
from outfitter.schema import INTERACTION_FRAME, ITEM_FRAME, USER_FRAME

GENRE = {genre: place for place, genre in enumerate(GENRES)}
FILM = ["item_id", "title", "category", "season", "tags", "unreadable"]


def film_100k(number: str, title: str, *genres: str) -> str:
    flags = ["1" if genre in genres else "0" for genre in GENRES]
    return "|".join([number, title, "01-Jan-1995", "", "http://us.imdb.com/M/title", *flags]) + "\n"


def read(folder: Path, files: Mapping[str, bytes], block_bytes: int = 1 << 20) -> dict[Role, pl.DataFrame]:
    """The frames of each role, joined."""
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    adapter, found = MovieLensAdapter(block_bytes), dict[Role, pl.DataFrame]()
    for name, role in adapter.discover(sorted(files), str(folder)).items():
        frames = [getattr(one, role) for one in adapter.read(SourceFile(folder / name, name, role))]
        found[role] = pl.concat(frames)
    return found


def test_100k_has_no_header_and_is_latin_1(tmp_path: Path) -> None:
    films = film_100k("1", "Toy Story (1995)", "Animation", "Children's", "Comedy") + film_100k("267", "unknown", "unknown")
    files = {
        "u.data": b"196\t1\t3\t881250949\n0186\t267\t2\t891717742\n",
        "u.item": (films + film_100k("543", "Mis\u00e9rables, Les (1995)", "Drama")).encode("latin-1"),
        "u.user": b"1|24|M|technician|85711\n2|x|F|other|02906\n",
        "u.info": b"943 users\n",
        "u1.base": b"1\t1\t5\t874965758\n",
    }
    found = read(tmp_path, files)
    assert {role: frame.schema for role, frame in found.items()} == {
        "items": dict(ITEM_FRAME),
        "users": dict(USER_FRAME),
        "interactions": dict(INTERACTION_FRAME),
    }
    assert found["interactions"].select("user_id", "item_id", "timestamp", "event", "value").rows() == [
        ("196", "1", datetime(1997, 12, 4, 15, 55, 49, tzinfo=UTC), "rating", 3.0),
        ("0186", "267", datetime(1998, 4, 4, 19, 22, 22, tzinfo=UTC), "rating", 2.0),
    ]
    assert found["items"].select(FILM).rows() == [
        ("1", "Toy Story (1995)", "Animation", "1995", ["Animation", "Children's", "Comedy"], None),
        ("267", "unknown", None, None, [], None),
        ("543", "Mis\u00e9rables, Les (1995)", "Drama", "1995", ["Drama"], None),
    ]
    assert found["users"].select("user_id", "birth_year", "gender", "region", "unreadable").rows() == [
        ("1", 1974, "M", "85711", None),
        ("2", None, "F", "02906", "age 'x'"),
    ]


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])  # 1M and 10M
@pytest.mark.parametrize("block_bytes", [40, 1 << 20])
def test_1m_is_separated_by_two_colons(tmp_path: Path, encoding: str, block_bytes: int) -> None:
    films = '1::Toy Story (1995)::Animation|Children\'s|Comedy\n3::"Caf\u00e9" au lait: un (2000)::Drama\n4::No year::(no genres listed)\n'
    files = {
        "ml-1m/ratings.dat": b"1::1193::5::978300760\n1::661::3.5::978302109\n",
        "ml-1m/movies.dat": films.encode(encoding),
        "ml-1m/users.dat": b"1::F::1::10::48067\n2::M::56::16::02460-1234\n",
    }
    found = read(tmp_path, files, block_bytes)
    assert found["interactions"].select("user_id", "item_id", "value", "sequence").rows() == [("1", "1193", 5.0, 1), ("1", "661", 3.5, 2)]
    assert found["items"].select(FILM).rows() == [
        ("1", "Toy Story (1995)", "Animation", "1995", ["Animation", "Children's", "Comedy"], None),
        ("3", '"Caf\u00e9" au lait: un (2000)', "Drama", "2000", ["Drama"], None),
        ("4", "No year", None, None, [], None),
    ]
    assert found["users"].select("user_id", "birth_year", "gender", "region").rows() == [
        ("1", None, "F", "48067"),
        ("2", None, "M", "02460-1234"),
    ]


def test_25m_has_headers_and_quotes(tmp_path: Path) -> None:
    files = {
        "ratings.csv": b"userId,movieId,rating,timestamp\n1,296,5.0,1147880044\n1,306,3.5,oops\n",
        "movies.csv": 'movieId,title,genres\n296,"American President, The (1995)",Comedy|Drama\n306,"La ""Caf\u00e9"" (1999) ",\n'.encode(),
        "tags.csv": b"userId,movieId,tag,timestamp\n",
        "links.csv": b"movieId,imdbId,tmdbId\n",
        "genome-scores.csv": b"movieId,tagId,relevance\n",
    }
    found = read(tmp_path, files)
    assert list(found) == ["items", "interactions"]
    assert found["interactions"].select("item_id", "value", "unreadable").rows() == [("296", 5.0, None), ("306", 3.5, "timestamp 'oops'")]
    assert found["items"].select(FILM).rows() == [
        ("296", "American President, The (1995)", "Comedy", "1995", ["Comedy", "Drama"], None),
        ("306", 'La "Caf\u00e9" (1999)', None, "1999", [], None),
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("u.data", b"1\t2\t3\t881250949\n1\t2\t3\n", r"u\.data, line 2 has 3 cells, too few"),
        ("ratings.dat", b"1::2::3::881250949\n1::2::3::4::5\n", r"ratings\.dat, line 2 has 5 cells, too many"),
        ("ratings.csv", b"userId,movie,rating,timestamp\n1,2,3,4\n", r"ratings\.csv lacks column 'movieId'.*Did you mean 'movie'"),
        ("ratings.dat", b"1::2::x::881250949\n", r"none of the 1 values of column 'rating' can be read as a number: first is 'x' in row 1"),
    ],
)
def test_a_broken_file_is_refused_by_line_or_column(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=message):
        list(MovieLensAdapter().read(SourceFile(tmp_path / name, name, "interactions")))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["README"], r"here lacks u\.data, ratings\.dat or ratings\.csv, of which source 'movielens' needs one"),
        (["ml-1m/movies.csv", "ml-1m/ratings.dat"], r"here lacks ml-1m/movies\.dat, .*needs"),
        (["ml-100k/u.data", "ml-1m/ratings.dat"], r"more than one MovieLens: ml-100k/u\.data and ml-1m/ratings\.dat"),
        (["a/b/ratings.csv"], r"here lacks u\.data.*give the folder a/b/"),
    ],
)
def test_what_is_no_layout_or_two_is_refused(names: list[str], message: str) -> None:
    with pytest.raises(SourceError, match=message):
        MovieLensAdapter().discover(names, "here")


@pytest.mark.parametrize(("name", "role"), [("tags.csv", "interactions"), ("u.user", "items"), ("ratings.csv", "users")])
def test_a_file_that_is_not_of_its_role_is_refused(tmp_path: Path, name: str, role: Role) -> None:
    (tmp_path / name).write_text("userId,movieId,rating,timestamp\n1,2,3,4\n")
    with pytest.raises(SourceError, match="has no file"):
        list(MovieLensAdapter().read(SourceFile(tmp_path / name, name, role)))
