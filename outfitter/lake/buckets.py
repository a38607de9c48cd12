"""Objects in S3 as a source of deliveries: listed page by page, downloaded and verified."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path
from typing import Any

from outfitter.errors import SourceError
from outfitter.lake.fetching import download
from outfitter.lake.listing import SourceObject, may_deliver
from outfitter.lake.s3 import GONE, client, code, split, told

PAGE = 1000  # objects that one answer of S3 lists at most


@dataclass(frozen=True)
class Bucket:
    """The objects of an S3 bucket under a prefix, taken for a folder. ``where`` is ``s3://bucket/prefix``."""

    where: str
    endpoint: str | None
    _clients: list[Any] = field(default_factory=list, repr=False, compare=False)

    def list(self) -> list[SourceObject]:
        bucket, prefix = split(self.where)
        with told(self.where, SourceError, self.endpoint):
            found = list(self._entries(bucket, prefix))
        if not found:
            raise SourceError(f"there is nothing under {self.where}", "Check the prefix; it names a folder, not the beginning of names.")
        return sorted((obj for obj in found if may_deliver(obj.name)), key=lambda obj: obj.name)

    def fetch(self, obj: SourceObject, into: Path) -> Path:
        """Downloaded under a name of its own for each version; what was downloaded whole before is not downloaded again."""
        bucket, prefix = split(self.where)
        folder = into / hashlib.sha256(f"{self.where}\n{obj.name}\n{obj.tag}".encode()).hexdigest()[:16]
        return download(self._client, bucket, prefix + obj.name, folder, obj.tag, self.endpoint)

    def unchanged(self, obj: SourceObject) -> bool:
        from botocore.exceptions import ClientError

        bucket, prefix = split(self.where)
        with told(f"{self.where}/{obj.name}", SourceError, self.endpoint):
            try:
                head = self._client.head_object(Bucket=bucket, Key=prefix + obj.name)
            except ClientError as error:
                if code(error) in GONE:
                    return False
                raise
        return _tag(head["ETag"], head["ContentLength"]) == obj.tag

    @property
    def _client(self) -> Any:
        if not self._clients:
            self._clients.append(client(self.endpoint))
        return self._clients[0]

    def _entries(self, bucket: str, prefix: str) -> Iterator[SourceObject]:
        """Everything under ``prefix`` but images and what is hidden at the top: a shop's photos may outnumber its files by thousands."""
        pages = self._client.get_paginator("list_objects_v2")
        folders, of_size = list[str](), {"PageSize": PAGE}
        for page in pages.paginate(Bucket=bucket, Prefix=prefix, Delimiter="/", PaginationConfig=of_size):
            folders += [found["Prefix"] for found in page.get("CommonPrefixes", [])]
            yield from _listed(page, prefix)
        for folder in folders:
            if may_deliver(f"{folder.removeprefix(prefix)}x"):
                for page in pages.paginate(Bucket=bucket, Prefix=folder, PaginationConfig=of_size):
                    yield from _listed(page, prefix)


def _listed(page: dict[str, Any], prefix: str) -> Iterator[SourceObject]:
    for found in page.get("Contents", []):
        modified = found["LastModified"].astimezone(UTC)
        yield SourceObject(found["Key"].removeprefix(prefix), found["Size"], modified, _tag(found["ETag"], found["Size"]))


def _tag(etag: str, size: int) -> str:
    return f"{etag.strip(chr(34))} {size}"
