"""Buckets, and what their refusals mean in one line each."""

from __future__ import annotations

import configparser
import errno
import functools
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from scalable.errors import UsageError
from scalable.storage.files import AnyPath

RETRIES = 8  # of a refused request, by the library
TRIES = 6  # of a request whose answer broke off
FIRST_SECONDS = 7  # of silence or refused connections, until something has answered
CONNECT_SECONDS, SILENT_SECONDS = 3, 30  # of each connection; afterwards
REQUEST_SECONDS = 600  # a request that goes on, over a slow line, is not given up
RETRY_SECONDS = 180
BACKOFF: dict[str, Any] = {
    "init_backoff": timedelta(seconds=0.1),
    "max_backoff": timedelta(seconds=15),
    "base": 2,
}
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
    "RequestTimeTooSkewed": (errno.EACCES, "the clock of this machine is minutes off; set it"),
    "InvalidObjectState": (errno.EACCES, "the object lies in an archive; restore it first"),
    "PreconditionFailed": (errno.ESTALE, "the object was replaced since the run was planned; start again"),
}  # fmt: skip
# What it may not answer a moment later, or nothing that is understood; the library repeats most of these itself.
_PASSING = (
    "", "InternalError", "SlowDown", "ServiceUnavailable", "RequestTimeout", "OperationAborted", "Throttling",
    "ThrottlingException", "RequestLimitExceeded",
)  # fmt: skip
_SHORT = 200
_CODE = re.compile(r"<Code>([\w.]+)</Code>|\(code: ([\w.]+)\)")  # of an answer, or of one of many removals
_NOBODY = re.compile(r"kind: (Connect|Timeout)")  # in the library's words
_ROLE = re.compile(r"performing \w+ http://169\.254\.")  # where Amazon's machines tell the keys of their role
NO_KEYS = "there are no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
_YES = ("true", "1", "yes", "on", "y")
_CLIENT_OPTIONS = (
    "allow_http", "allow_invalid_certificates", "connect_timeout", "http1_only", "http2_keep_alive_interval",
    "http2_keep_alive_timeout", "http2_keep_alive_while_idle", "http2_only", "pool_idle_timeout",
    "pool_max_idle_per_host", "proxy_url", "proxy_ca_certificate", "proxy_excludes", "read_timeout", "timeout",
    "user_agent",
)  # fmt: skip


@dataclass
class Bucket:
    """A bucket as obstore opens it.

    Attributes
    ----------
    first : obstore store
        Asked until something answers: it soon gives up.
    patient : obstore store
        Asked from then on.
    reached : bool
        Whether something answered.
    """

    first: Any
    patient: Any
    reached: bool = False


@functools.cache
def open_bucket(scheme: str, bucket: str) -> Bucket:
    """Return a bucket, with the environment's credentials.

    Raises
    ------
    UsageError
        When obstore is not installed, or there is no name of a bucket, or its address cannot be one.
    """
    try:
        from obstore.store import from_url
    except ImportError as error:
        raise UsageError(f"{scheme}:// paths need obstore: pip install 'scalable-training[s3]'") from error
    if not bucket:
        raise UsageError(f"{scheme}://: give a bucket, as in {scheme}://bucket/folder")
    keys = _profile() if scheme == "s3" else {}
    if scheme == "s3":
        _check_address()

    def opened(retry_seconds: float, silent_seconds: float, longest_pause: timedelta) -> Any:
        backoff = {**BACKOFF, "max_backoff": min(longest_pause, BACKOFF["max_backoff"])}
        retries = {
            "max_retries": RETRIES,
            "retry_timeout": timedelta(seconds=retry_seconds),
            "backoff": backoff,
        }
        client = {
            "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
            "read_timeout": timedelta(seconds=silent_seconds),
            "timeout": timedelta(seconds=REQUEST_SECONDS),
            **_client_options(scheme),
        }
        return from_url(f"{scheme}://{bucket}", retry_config=retries, client_options=client, **keys)

    return Bucket(
        opened(FIRST_SECONDS, FIRST_SECONDS, timedelta(seconds=2)),
        opened(RETRY_SECONDS, SILENT_SECONDS, BACKOFF["max_backoff"]),
    )


def _check_address() -> None:
    """Refuse an address that the library would not speak to, and say nothing of use about."""
    address = os.environ.get("AWS_ENDPOINT_URL", "")
    shown = _without_keys(address)
    if address and not re.match(r"https?://[^/\s]", address):
        raise UsageError(f"AWS_ENDPOINT_URL: {shown!r} is no address; give https://host:port or http://...")
    if address.startswith("http://") and os.environ.get("AWS_ALLOW_HTTP", "").lower() not in _YES:
        raise UsageError(
            f"AWS_ENDPOINT_URL: {shown} has no TLS; set AWS_ALLOW_HTTP=true to speak to it all the same"
        )


def _client_options(scheme: str) -> dict[str, str]:
    """Return the environment's options of connections, which options given in code would replace as a whole."""
    prefix = {"s3": "AWS_", "gs": "GOOGLE_", "az": "AZURE_"}[scheme]
    named = {name: os.environ.get(prefix + name.upper()) for name in _CLIENT_OPTIONS}
    return {name: value for name, value in named.items() if value is not None}


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


def answer(path: AnyPath, ask: Callable[[Any, str], Any], *, light: bool = True) -> Any:
    """Ask a store about a path; answers that break off are asked for again, with growing pauses.

    Parameters
    ----------
    ask : callable
        Takes obstore's store and the key.
    light : bool
        Whether it takes little time where the store is there: if so it may be what finds out whether it is.
    """
    scheme, name, key = split_address(path)
    bucket, began = open_bucket(scheme, name), time.monotonic()
    if not (light or bucket.reached):
        try:
            answer(path, lambda store, key: library().head(store, key))
        except OSError:  # of who may only write, too
            if not bucket.reached:
                raise
    for number in range(TRIES):
        try:
            found = ask(bucket.patient if bucket.reached else bucket.first, key)
            bucket.reached = True
            return found
        except Exception as error:
            nobody = _NOBODY.search(str(error)) is not None
            last = number + 1 == TRIES or time.monotonic() - began > RETRY_SECONDS
            told = raised(path, name, error)
            if told is None and (last or (nobody and not bucket.reached)):
                why = _unreachable(str(error)) if nobody else "its answers keep breaking off"
                told = OSError(errno.EIO, f"{scheme}://{name}: {why}", str(path))
            bucket.reached |= not nobody
            if told is not None:
                raise told from error
            time.sleep(0.05 * 2**number)
    raise AssertionError


def _unreachable(text: str) -> str:
    """Return what is wrong where nobody answered, and the remedy, from the library's words."""
    found = re.search(r"performing \w+ (https?://[^/\s]+)", text)
    address = _without_keys(found.group(1)) if found else "its address"
    return f"nothing answers at {address}; check AWS_ENDPOINT_URL, and that it can be reached from here"


def _without_keys(address: str) -> str:
    """Return an address as messages may show it."""
    return re.sub(r"[^/@\s]+@", "", address)


def raised(path: AnyPath, bucket: str, error: Exception) -> Exception | None:
    """Return what to raise for an error of the library; None when the same request may succeed if it is repeated."""
    own = isinstance(error, OSError) and error.errno is not None  # of a disk here, and not the library's
    if own or isinstance(error, UsageError):
        return error
    if type(error).__name__ in ("AlreadyExistsError", "FileExistsError"):
        return FileExistsError(errno.EEXIST, "there is such an object already", str(path))
    if _ROLE.search(str(error)):
        return OSError(errno.EACCES, NO_KEYS, str(path))
    text, known = str(error), _CODE.search(str(error))
    said = (known.group(1) or known.group(2)) if known else ""
    code = said if said in _REFUSALS else _code(type(error).__name__)
    if "incorrectly configured region" in text:  # the library's words for a redirect
        code = "PermanentRedirect"
    if code in _REFUSALS:
        number, remedy = _REFUSALS[code]
        return OSError(number, remedy.format(bucket=bucket), str(path))
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError(errno.ENOENT, "there is no such object", str(path))
    if isinstance(error, OSError) or (type(error).__name__ == "GenericError" and said in _PASSING):
        return None
    what = f"the store answers {said}" if said else text.partition("\n")[0][:_SHORT] or type(error).__name__
    return OSError(errno.EIO, what, str(path))


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
