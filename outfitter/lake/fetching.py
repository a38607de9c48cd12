"""Downloading one S3 object whole and unharmed: a version is complete under its name or not there at all."""

from __future__ import annotations

import base64
import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from outfitter.errors import SourceError
from outfitter.lake.s3 import told

CHUNK = 1 << 20
MD5 = 32  # hex digits


def download(client: Any, bucket: str, key: str, folder: Path, tag: str, endpoint: str | None) -> Path:
    """``folder/NAME`` with the version of the object that ``tag`` ("ETag SIZE") names; ``folder`` is that version's own.

    Raises SourceError when the object is gone, is another version by now, or arrived damaged.
    """
    path, where = folder / PurePosixPath(key).name, f"s3://{bucket}/{key}"
    etag, size = tag.rsplit(" ", 1)
    if path.exists():
        return path
    shutil.rmtree(folder, ignore_errors=True)  # what a download cut short has left
    folder.mkdir(parents=True)
    unfinished = folder / ".unfinished"  # a name that no source lists
    with told(where, SourceError, endpoint):
        head = client.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
        if head["ETag"].strip('"') != etag:
            raise SourceError(f"{where} was replaced after it was listed", "Run the same command again: it will take in the new version.")
        client.download_file(bucket, key, str(unfinished))  # every piece under the condition that the object is the same
        sound = unfinished.stat().st_size == int(size) and _sound(client, bucket, key, unfinished, head)
    if not sound:
        raise SourceError(f"{where} arrived damaged: its content is not what the service says it is", "Run the same command again.")
    return unfinished.rename(path)


def _sound(client: Any, bucket: str, key: str, path: Path, head: dict[str, Any]) -> bool:
    """Whether the content matches the strongest thing that the service says of it; its size was compared before.

    A checksum counts when it is one of the whole object. An ETag is the MD5 of the content, or of its parts' MD5s, unless a key of
    AWS's or the customer's own encrypts the object (S3 user guide, "Checking object integrity").
    """
    if (checksum := head.get("ChecksumSHA256")) and "-" not in checksum:
        return bool(checksum == base64.b64encode(_digest(path, "sha256").digest()).decode())
    etag, _, parts = head["ETag"].strip('"').partition("-")
    if len(etag) != MD5 or head.get("ServerSideEncryption", "AES256") != "AES256" or head.get("SSECustomerAlgorithm"):
        return True
    if not parts:
        return bool(_digest(path, "md5").hexdigest() == etag)
    return any(_of_parts(path, sizes) == etag for sizes in _part_sizes(client, bucket, key, path.stat().st_size, int(parts)))


def _part_sizes(client: Any, bucket: str, key: str, size: int, parts: int) -> Iterator[list[int]]:
    """The likely sizes of an upload's parts: all as long as the first but the last; then what the service says of each."""

    def part(number: int) -> int:
        return int(client.head_object(Bucket=bucket, Key=key, PartNumber=number)["ContentLength"])

    first = part(1)
    yield [*[first] * (parts - 1), size - first * (parts - 1)]
    yield [part(number) for number in range(1, parts + 1)]


def _of_parts(path: Path, sizes: list[int]) -> str:
    """The ETag of an upload in parts: the MD5 over the MD5s of the parts. Empty when these cannot be its parts."""
    if min(sizes) < 0 or sum(sizes) != path.stat().st_size:
        return ""
    whole = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        for size in sizes:
            part, left = hashlib.md5(usedforsecurity=False), size
            while left and (chunk := file.read(min(CHUNK, left))):
                part.update(chunk)
                left -= len(chunk)
            whole.update(part.digest())
    return whole.hexdigest()


def _digest(path: Path, algorithm: str) -> Any:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False))
