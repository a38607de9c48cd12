"""S3 and what speaks like it: one client, one place where its errors become something a person can mend.

Credentials and region are found by boto3's own chain (variables, files, roles); none is a setting of ours and none is ever printed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from outfitter.errors import OutfitterError, SettingsError

SCHEME = "s3://"
ATTEMPTS = 5  # of one request, by botocore's standard mode
DENIED = (
    "AccessDenied",
    "403",
    "Forbidden",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "InvalidToken",
    "AllAccessDisabled",
)
GONE = ("NoSuchKey", "404", "NotFound", "NoSuchVersion")
CHANGED = ("PreconditionFailed", "412", "ConditionalRequestConflict", "409")


def split(url: str) -> tuple[str, str]:
    """Bucket and prefix of ``s3://bucket/prefix``; the prefix is empty or ends in a slash."""
    bucket, _, prefix = url.removeprefix(SCHEME).partition("/")
    prefix = prefix.strip("/")
    return bucket, f"{prefix}/" if prefix else ""


def client(endpoint: str | None) -> Any:
    """A boto3 client of S3; of an ``endpoint`` of its own, buckets are addressed by path. Raises SettingsError when that is no address."""
    import boto3
    from botocore.config import Config

    addressing = {"s3": {"addressing_style": "path"}} if endpoint else {}
    config = Config(retries={"mode": "standard", "total_max_attempts": ATTEMPTS}, connect_timeout=10, read_timeout=60, **addressing)
    with told("S3", SettingsError):
        try:
            return boto3.session.Session().client("s3", endpoint_url=endpoint, config=config)
        except ValueError as error:
            hint = "Give the service's address, such as https://minio.example.com:9000 (OUTFITTER_S3_ENDPOINT)."
            raise SettingsError(f"setting 's3_endpoint': {shown(endpoint)!r} is no address", hint) from error


def storage_options(endpoint: str | None, error: type[OutfitterError]) -> dict[str, str]:
    """What Delta Lake and Polars need to reach S3: the credentials that boto3 finds, as they are now. Raises ``error`` without any."""
    import boto3
    from botocore.exceptions import NoCredentialsError

    session = boto3.session.Session()
    with told("S3", error):
        if (found := session.get_credentials()) is None:
            raise NoCredentialsError
        keys = found.get_frozen_credentials()
    options = {
        "aws_access_key_id": keys.access_key,
        "aws_secret_access_key": keys.secret_key,
        "aws_region": session.region_name or "us-east-1",
        "aws_conditional_put": "etag",  # a commit that finds another in its place fails instead of writing over it
    }
    if keys.token:
        options["aws_session_token"] = keys.token
    if endpoint:
        options |= {"aws_endpoint_url": endpoint, "aws_virtual_hosted_style_request": "false"}
        options["aws_allow_http"] = str(endpoint.startswith("http://")).lower()
    return options


def code(error: BaseException) -> str:
    """The code of a ClientError, such as ``NoSuchKey``; empty for anything else."""
    return str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))


def shown(endpoint: str | None) -> str:
    """An endpoint without the password that somebody may have put into it."""
    parts = urlsplit(endpoint or "")
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.netloc else (endpoint or "Amazon S3").rpartition("@")[2]


@contextmanager
def told(where: str, error: type[OutfitterError], endpoint: str | None = None) -> Iterator[None]:
    """Turn what boto3 raises over ``where`` (``s3://bucket/...``) into ``error``, with what to do about it."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (ClientError, BotoCoreError, Boto3Error) as raised:
        refused = raised.__context__ if isinstance(raised.__context__, ClientError) else raised  # a failed upload hides why
        raise error(*_explained(refused, where, endpoint)) from raised


def _explained(error: Exception, where: str, endpoint: str | None) -> tuple[str, str]:
    from botocore.exceptions import ClientError

    if not isinstance(error, ClientError):
        return _without_answer(error, where, endpoint)
    told, bucket = code(error), split(where)[0]
    if told == "NoSuchBucket":
        return f"there is no bucket '{bucket}' at {shown(endpoint)}", f"Check the name in {where}, and the setting s3_endpoint."
    if told in DENIED:
        return (
            f"access to {where} is denied ({told})",
            "Check the AWS credentials in use, and that they may list, read (and for a lake write) there.",
        )
    if told in GONE:
        return f"{where} is gone", "It was deleted after it was listed; run the same command again."
    if told in CHANGED:
        return f"{where} was changed while it was at work", "Wait until nobody writes to it and run the same command again."
    return (
        f"{where}: the service answered {told or 'with an error'}",
        "Run the same command again; if it stays, ask whoever runs the service.",
    )


def _without_answer(error: Exception, where: str, endpoint: str | None) -> tuple[str, str]:
    from botocore import exceptions

    if isinstance(error, exceptions.NoCredentialsError | exceptions.PartialCredentialsError | exceptions.CredentialRetrievalError):
        return f"no AWS credentials for {where}", "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile in AWS_PROFILE."
    if isinstance(error, exceptions.ProfileNotFound):
        return "AWS_PROFILE names a profile that is not in the AWS configuration", "Name one that is, or unset AWS_PROFILE."
    if isinstance(error, exceptions.ParamValidationError):
        return f"{where} is no address in S3", "It is written s3://bucket/prefix."
    if isinstance(error, exceptions.HTTPClientError | exceptions.ConnectionError):
        return (
            f"{shown(endpoint)} cannot be reached for {where}",
            "Check the network and the setting s3_endpoint, and run the same command again.",
        )
    return f"{where} failed: {type(error).__name__}", "Run the same command again."
