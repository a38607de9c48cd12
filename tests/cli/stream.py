"""A stream of deliveries in the H&M layout, and a process that takes them in one after the other until it is killed.

As a program: ``python -m tests.cli.stream STOCK SHOP DONE`` moves the deliveries of STOCK, in the order of their names, into the source
folder SHOP and ingests after each; it goes on where an earlier process died, and names in the file DONE what it has finished.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

FIRST_DAY = date(2020, 8, 1)
USERS, ITEMS = 60, 40
ROWS_A_DAY = 80
BAD = (
    "2020-08-99,{user},{item},0.02,2",  # no such day
    "{day},{user},{item},-0.02,2",  # a negative price
    "{day},,{item},0.02,2",  # nobody's
)
ARTICLE_COLUMNS = (
    "article_id,product_code,prod_name,product_type_no,product_type_name,product_group_name,graphical_appearance_no,"
    "graphical_appearance_name,colour_group_code,colour_group_name,perceived_colour_value_id,perceived_colour_value_name,"
    "perceived_colour_master_id,perceived_colour_master_name,department_no,department_name,index_code,index_name,index_group_no,"
    "index_group_name,section_no,section_name,garment_group_no,garment_group_name,detail_desc"
)


def customer(number: int) -> str:
    return f"{number:064x}"


def article(number: int) -> str:
    return f"0{100_000_000 + number}"


def articles(title: str = "shirt") -> str:
    rows = [
        f"{article(n)},{n // 2},{title} {n},1,T-shirt,Upper body,1,Solid,{n % 5},Colour {n % 5},1,Dark,1,Blue,1,Basics,A,Ladies,1,Ladies,1,"
        f"Basics,1,Jersey,plain"
        for n in range(ITEMS)
    ]
    return "\n".join([ARTICLE_COLUMNS, *rows]) + "\n"


def customers() -> str:
    rows = [f"{customer(n)},1.0,,ACTIVE,NONE,{20 + n % 50},{n:064x}" for n in range(USERS)]
    return "\n".join(["customer_id,FN,Active,club_member_status,fashion_news_frequency,age,postal_code", *rows]) + "\n"


def day_of(number: int, version: int = 0) -> str:
    """One day's transactions, three bad rows among them; another ``version`` of the same day holds other rows."""
    rng, day = random.Random(1000 * version + number), FIRST_DAY + timedelta(days=number)
    rows = [f"{day},{customer(rng.randrange(USERS))},{article(rng.randrange(ITEMS))},0.0{rng.randrange(1, 9)},2" for _ in range(ROWS_A_DAY)]
    rows += [bad.format(day=day, user=customer(number % USERS), item=article(number % ITEMS)) for bad in BAD]
    rng.shuffle(rows)
    return "\n".join(["t_dat,customer_id,article_id,price,sales_channel_id", *rows]) + "\n"


def transactions(number: int) -> str:
    """The name of a day's file."""
    return f"transactions_{FIRST_DAY + timedelta(days=number)}.csv"


def stock(folder: Path, files: Sequence[tuple[str, str]], age: float = 100_000) -> None:
    """Lay out deliveries (name in the source, content) in the order in which they will come, each a minute younger than the last."""
    folder.mkdir(parents=True)
    now = 1_700_000_000 - age
    for place, (name, content) in enumerate(files):
        path = folder / f"{place:03d}+{name}"
        path.write_text(content)
        os.utime(path, (now + 60 * place,) * 2)


def play(stock_: Path, shop: Path, done: Path) -> None:
    """Deliver and ingest what has not been finished yet."""
    from outfitter.cli.app import app

    shop.mkdir(exist_ok=True)
    finished = set(done.read_text().splitlines()) if done.exists() else set()
    for path in sorted(stock_.iterdir()):
        if path.name in finished:
            continue
        partial = shop / ".arriving"
        shutil.copy2(path, partial)
        partial.replace(shop / path.name.split("+", 1)[1])
        sys.stdout.write(f"{path.name}\n")
        sys.stdout.flush()
        try:
            app(["ingest", "--source", "hm", "--path", str(shop), "--json"], prog_name="outfitter")
        except SystemExit as end:
            if end.code and not (end.code == 2 and waiting(shop)):
                raise
        with done.open("a") as out:
            out.write(f"{path.name}\n")


def waiting(shop: Path) -> bool:
    """Whether nothing has been sold yet: a catalogue alone is taken in, and told that it is not enough."""
    return not list(shop.glob("transactions*"))


if __name__ == "__main__":
    play(*map(Path, sys.argv[1:4]))
