"""Buckets, and what their refusals mean in one line each."""

from __future__ import annotations

import configparser
import errno
import functools
import os
import re
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from scalable.errors import UsageError
from scalable.storage.files import AnyPath

RETRIES = 8  # of a refused request, by the library
TRIES = 6  # of a request whose answer broke off
BACKOFF = {"init_backoff": timedelta(seconds=0.1), "max_backoff": timedelta(seconds=15), "base": 2}
_KEYS = {
    "access_key_id": "aws_access_key_id",
    "secret_access_key": "aws_secret_access_key",
    "token": "aws_session_token",
}
NO_CONDITIONS = (
    "the store does not keep to If-None-Match, so of two writers one could be lost; use a file system"
)
# What S3 answers -> the error of the system that it is, and the remedy.
_REFUSALS = {
    "NoSuchBucket": (errno.ENOENT, "there is no bucket {bucket!r}; check its name and AWS_ENDPOINT_URL"),
    "AccessDenied": (errno.EACCES, "access is denied; check what the credentials may do in bucket {bucket!r}"),
    "InvalidAccessKeyId": (errno.EACCES, "the access key is not known there; check AWS_ACCESS_KEY_ID"),
    "SignatureDoesNotMatch": (errno.EACCES, "the secret does not fit the access key; check AWS_SECRET_ACCESS_KEY"),
    "ExpiredToken": (errno.EACCES, "the credentials have expired; renew them"),
    "InvalidToken": (errno.EACCES, "the session token is not valid; check AWS_SESSION_TOKEN"),
    "PermanentRedirect": (errno.EREMCHG, "bucket {bucket!r} is in another region; set AWS_REGION to it"),
    "AuthorizationHeaderMalformed": (errno.EREMCHG, "bucket {bucket!r} is in another region; set AWS_REGION to it"),
    "IllegalLocationConstraintException": (errno.EREMCHG, "bucket {bucket!r} is in another region; set AWS_REGION"),
    "NotSupported": (errno.ENOTSUP, NO_CONDITIONS),
    "NotImplemented": (errno.ENOTSUP, NO_CONDITIONS),
    "PreconditionFailed": (errno.ESTALE, "the object was replaced since the run was planned; start again"),
}  # fmt: skip
_SHORT = 200


@functools.cache
def open_bucket(scheme: str, bucket: str) -> Any:
    """Return obstore's store of a bucket, with the environment's credentials.

    Raises
    ------
    UsageError
        When obstore is not installed, or there is no name of a bucket.
    """
    try:
        from obstore.store import from_url
    except ImportError as error:
        raise UsageError(f"{scheme}:// paths need obstore: pip install 'scalable-training[s3]'") from error
    if not bucket:
        raise UsageError(f"{scheme}://: give a bucket, as in {scheme}://bucket/folder")
    patience = {"max_retries": RETRIES, "retry_timeout": timedelta(minutes=3), "backoff": BACKOFF}
    keys = _profile() if scheme == "s3" else {}
    return from_url(f"{scheme}://{bucket}", retry_config=patience, **keys)


def _profile() -> dict[str, str]:
    """Return the credentials of a profile where the environment gives none itself."""
    place = os.environ.get("AWS_SHARED_CREDENTIALS_FILE", Path.home() / ".aws" / "credentials")
    if "AWS_ACCESS_KEY_ID" in os.environ or not os.path.isfile(place):
        return {}
    read, name = configparser.ConfigParser(), os.environ.get("AWS_PROFILE", "default")
    read.read(place)
    if name not in read:
        raise UsageError(f"AWS_PROFILE: there is no profile {name!r} in {place}")
    return {ours: read[name][theirs] for ours, theirs in _KEYS.items() if theirs in read[name]}


def answer(path: AnyPath, ask: Callable[[Any, str], Any]) -> Any:
    """Ask a store about a path; answers that break off are asked for again, with growing pauses."""
    scheme, bucket, key = split_address(path)
    store = open_bucket(scheme, bucket)
    for number in range(TRIES):
        try:
            return ask(store, key)
        except Exception as error:
            told = raised(path, bucket, error)
            if told is None and number + 1 == TRIES:
                nobody = "kind: Connect" in str(error)
                why = (
                    "nothing answers there; check AWS_ENDPOINT_URL"
                    if nobody
                    else "its answers keep breaking off"
                )
                told = OSError(errno.EIO, f"{scheme}://{bucket}: {why}", str(path))
            if told is not None:
                raise told from error
            time.sleep(0.05 * 2**number)
    raise AssertionError


def raised(path: AnyPath, bucket: str, error: Exception) -> Exception | None:
    """Return what to raise for an error of the library; None when the same request may succeed if it is repeated."""
    if isinstance(error, UsageError):
        return error
    if type(error).__name__ in ("AlreadyExistsError", "FileExistsError"):
        return FileExistsError(errno.EEXIST, "there is such an object already", str(path))
    text, known = str(error), re.search(r"<Code>(\w+)</Code>", str(error))
    code = known.group(1) if known else _code(type(error).__name__)
    if "incorrectly configured region" in text:  # the library's words for a redirect
        code = "PermanentRedirect"
    if code in _REFUSALS:
        number, remedy = _REFUSALS[code]
        return OSError(number, remedy.format(bucket=bucket), str(path))
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError(errno.ENOENT, "there is no such object", str(path))
    if isinstance(error, OSError) or type(error).__name__ == "GenericError":
        return None
    return OSError(errno.EIO, text.splitlines()[0][:_SHORT] if text else type(error).__name__, str(path))


def split_address(path: AnyPath) -> tuple[str, str, str]:
    """Return scheme, bucket and key of an address."""
    scheme, _, rest = str(path).partition("://")
    bucket, _, key = rest.partition("/")
    return scheme, bucket, re.sub("/+", "/", key)


def library() -> Any:
    """Return obstore, which is an extra."""
    import obstore

    return obstore


def _code(name: str) -> str:
    return {
        "PermissionDeniedError": "AccessDenied",
        "UnauthenticatedError": "InvalidAccessKeyId",
        "PreconditionError": "PreconditionFailed",
        "NotSupportedError": "NotSupported",
    }.get(name, "")
