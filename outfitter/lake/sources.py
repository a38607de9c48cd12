"""Where deliveries come from: a folder or S3. Both list objects, hand one over as a file, and tell whether it is still the same."""

from __future__ import annotations

from pathlib import Path

from outfitter.errors import SettingsError, SourceError
from outfitter.lake.buckets import Bucket
from outfitter.lake.folders import Folder
from outfitter.lake.listing import Source, SourceObject
from outfitter.lake.s3 import SCHEME
from outfitter.settings import Settings

__all__ = ["Source", "SourceObject", "open_source"]


def open_source(settings: Settings, where: str | Path | None = None) -> Source:
    """The source at ``where``, by default the setting ``path``: a folder or ``s3://bucket/prefix``. Nothing is read yet."""
    told_where = str(where or settings.path or "")
    if not told_where:
        raise SettingsError(f"source '{settings.source}' needs a folder", "Name it: --path DIR (or OUTFITTER_PATH).")
    if told_where.startswith(SCHEME):
        return Bucket(told_where.rstrip("/"), settings.s3_endpoint)
    if "://" in told_where:
        raise SourceError(f"{told_where} is neither a folder nor in S3", "Give a folder, or s3://bucket/prefix.")
    return Folder(Path(told_where).expanduser(), settings.source)
