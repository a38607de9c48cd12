"""What goes wrong under a table, in words that a person can act on."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl
from deltalake.exceptions import DeltaError

from outfitter.errors import HomeError, LakeError

FULL_DISK = ("No space left", "File too large", "Disk quota exceeded")
S3_FAILED = "Generic S3 error"


@contextmanager
def readable_failures(what: str) -> Iterator[None]:
    """Turn a full disk, however a library words it, into a HomeError that says so, and what S3 refuses into a LakeError."""
    try:
        yield
    except (OSError, DeltaError, pl.exceptions.PolarsError) as error:
        if is_disk_full(error):
            raise HomeError(
                f"the disk is full: '{what}' could not be written ({error})",
                "Nothing half-written is visible. Free some space and run the same command again.",
            ) from error
        if S3_FAILED in str(error):
            raise LakeError(
                f"the lake's '{what}' could not be reached in S3: {_refusal(str(error))}",
                "Check the settings lake and s3_endpoint, the network and the AWS credentials, and run the same command again.",
            ) from error
        raise


def is_disk_full(error: BaseException) -> bool:
    return getattr(error, "errno", None) in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT) or any(text in str(error) for text in FULL_DISK)


def _refusal(text: str) -> str:
    """The service's code in an error of many coloured lines, or its last line: the innermost cause."""
    if code := re.search(r"<Code>(\w+)</Code>", text):
        return code[1]
    return re.sub(r"\x1b\[\d+m|↳", "", text.strip().splitlines()[-1]).strip()
