"""One writer for a lake on S3: a small object that its holder keeps writing anew, each time only if it is still its own.

Homes on different machines may name one lake, and a home's lock stops at its machine. ``lake.lock`` says who writes; every write of
it is conditional (If-None-Match, If-Match), so two cannot both succeed. Its number grows with every holder: the fencing number.
Ages are told by the service's own clock (its answer's Date less the object's LastModified), so no two clocks are ever compared.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from outfitter.errors import LakeError, LockedError
from outfitter.lake.s3 import CHANGED, GONE, SCHEME, client, code, split, told
from outfitter.settings import Settings

log = logging.getLogger("outfitter.lake")

OBJECT = "lake.lock"
SECONDS = 60  # without a sign of life after which a holder counts as dead; a sign is given three times as often

_held: dict[str, Lease] = {}


class Lease:
    """The right to write to the lake at ``root`` (``s3://bucket/prefix``), once taken; ``holder`` is what others are told."""

    def __init__(self, root: str, endpoint: str | None, holder: dict[str, Any], seconds: int) -> None:
        self.root, self.endpoint, self.seconds = root.rstrip("/"), endpoint, seconds
        bucket, prefix = split(self.root)
        self._place = {"Bucket": bucket, "Key": prefix + OBJECT}
        self._client = client(endpoint)
        self._holder = {**holder, "token": uuid.uuid4().hex, "seconds": seconds}
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._firsts, self._done = threading.Lock(), set[str]()
        self._etag = ""
        self._lost: LockedError | None = None
        self._renewer = threading.Thread(target=self._keep, name="lease", daemon=True)
        self.number = 0

    def take(self) -> None:
        """Become the holder. Raises LockedError naming who is, unless it has given no sign of life for too long or was of this home."""
        found, etag, age = self._read()
        if found.get("token") and found.get("home") != self._holder["home"] and age <= found["seconds"]:
            claim = f"its claim ends {found['seconds']} s after its last sign of life, {age:.0f} s ago"
            raise LockedError(
                f"another home is writing to the lake '{self.root}': {_named(found)}",
                f"Wait until it has finished; if it died, {claim}.",
            )
        self.number = found.get("number", 0) + 1
        condition = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}
        self._put({**self._holder, "number": self.number}, condition)
        self._renewer.start()

    def renew(self) -> None:
        """Give a sign of life. Raises LockedError, now and ever after, when another has taken the lease."""
        with self._lock:
            if self._lost is not None:
                raise self._lost
            if self._ended.is_set():
                raise LockedError(f"the lease on the lake '{self.root}' was given back", "Run the same command again.")
            self._put({**self._holder, "number": self.number}, {"IfMatch": self._etag})

    def once(self, what: str, act: Callable[[], None]) -> None:
        """Do ``act`` the first time that ``what`` is named under this lease; other threads wait until it is done."""
        with self._firsts:
            if what not in self._done:
                act()
                self._done.add(what)

    def release(self) -> None:
        """Let the next one in at once. The object stays, since its number must go on growing."""
        with self._lock:
            self._ended.set()
            try:
                if self._lost is None:
                    self._put({"number": self.number}, {"IfMatch": self._etag})
            except (LockedError, LakeError) as error:  # the work is done and proved; what is left of the claim ends by itself
                log.warning("the lease on the lake could not be given back: %s", error)
        self._renewer.join()

    def _read(self) -> tuple[dict[str, Any], str, float]:
        """What the object says, its ETag, and its age in seconds; nothing of it where there is none."""
        from botocore.exceptions import ClientError

        with told(self.root, LakeError, self.endpoint):
            try:
                answer = self._client.get_object(**self._place)
            except ClientError as error:
                if code(error) in GONE:
                    return {}, "", 0.0
                raise
            said = json.loads(answer["Body"].read())
        now = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
        return said, answer["ETag"], (now - answer["LastModified"]).total_seconds()

    def _put(self, said: dict[str, Any], condition: dict[str, str]) -> None:
        from botocore.exceptions import ClientError

        body = json.dumps(said, sort_keys=True).encode()
        with told(self.root, LakeError, self.endpoint):
            try:
                self._etag = self._client.put_object(**self._place, Body=body, **condition)["ETag"]
            except ClientError as error:
                if code(error) not in (*CHANGED, *GONE):
                    raise
                self._adopt(said)

    def _adopt(self, said: dict[str, Any]) -> None:
        """The condition failed: fine when it was our own earlier attempt that got through unheard, else somebody else was quicker."""
        found, etag, _ = self._read()
        if found != said:
            self._lost = LockedError(
                f"the lake '{self.root}' was taken over by {_named(found)}",
                "Nothing was written since. Run the same command again when the other has finished.",
            )
            raise self._lost
        self._etag = etag

    def _keep(self) -> None:
        while not self._ended.wait(self.seconds / 3):
            try:
                self.renew()
            except LockedError:
                return  # whoever commits next is told
            except LakeError as error:  # the network may be back in time; a commit without it fails anyway
                log.warning("the lease on the lake could not be renewed: %s", error)


@contextmanager
def leased(settings: Settings, now: datetime) -> Iterator[None]:
    """Hold the lease of the settings' lake while it lies on S3; a process that holds it already may enter again.

    To be entered within the home's lock: a lease that this home left behind is taken over at once, since its holder cannot be alive.
    Raises LockedError naming the holder when another home has it, LakeError when the bucket cannot be written.
    """
    root = settings.lake_root
    if not root.startswith(SCHEME) or root in _held:
        yield
        return
    lease = Lease(root, settings.s3_endpoint, _oneself(settings.home, now), SECONDS)
    lease.take()
    _held[root] = lease
    try:
        yield
    finally:
        del _held[root]
        lease.release()


def lease_of(root: str) -> Lease:
    """The lease that this process holds on ``root``. Raises LockedError when it holds none: nobody writes without."""
    if root not in _held:
        raise LockedError(f"the lake '{root}' is written to by whoever holds its lease, and this process does not", "Use the commands.")
    return _held[root]


def _oneself(home: Path, now: datetime) -> dict[str, Any]:
    """Who is at work. A home is told by a name drawn once: two machines may well have homes at the same path."""
    name = home / "home.id"
    if not name.exists():
        (draft := name.with_suffix(".tmp")).write_text(uuid.uuid4().hex)
        draft.rename(name)
    since, command = now.isoformat(timespec="seconds"), " ".join(sys.argv[1:])
    return {"home": name.read_text(), "host": socket.gethostname(), "pid": os.getpid(), "since": since, "command": command}


def _named(holder: dict[str, Any]) -> str:
    if not holder.get("token"):
        return "somebody who has finished by now"
    return f"process {holder['pid']} on {holder['host']} ('outfitter {holder['command']}', since {holder['since']})"
