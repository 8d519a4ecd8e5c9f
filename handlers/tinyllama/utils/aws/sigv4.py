"""Signature Version 4 with the standard library alone.

A function that signs one small POST does not pay 100 ms to import botocore; tests compare every
signature made here with botocore's.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

_ALGORITHM = "AWS4-HMAC-SHA256"
_EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
ELASTICACHE_TOKEN_LIFE_S = 900
"""The longest life ElastiCache accepts; it checks the token only when a connection is made."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key. Its representation names the key's id and nothing secret."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


def from_environment(environment: Mapping[str, str] | None = None) -> Credentials:
    """Read the credentials the runtime gives a function.

    They rotate without a restart of the process, so callers read them again for each signature.

    Raises:
        KeyError: naming the variable that is missing.
    """
    variables = os.environ if environment is None else environment
    return Credentials(
        access_key=variables["AWS_ACCESS_KEY_ID"],
        secret_key=variables["AWS_SECRET_ACCESS_KEY"],
        session_token=variables.get("AWS_SESSION_TOKEN") or None,
    )


def sign(
    credentials: Credentials,
    *,
    host: str,
    headers: Mapping[str, str],
    body: bytes,
    service: str,
    region: str,
    now: float,
) -> dict[str, str]:
    """Sign a POST of `body` to the root path of `host`.

    Args:
        host: as the client will send it, with the port unless it is the scheme's default.
        headers: every other header to sign, in upper or lower case.
        now: seconds since the epoch, UTC.

    Returns:
        All headers to send, lower case, `authorization` among them.
    """
    stamp = _stamp(now)
    signed = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
    signed |= {"host": host, "x-amz-date": stamp}
    if credentials.session_token is not None:
        signed["x-amz-security-token"] = credentials.session_token
    names = ";".join(sorted(signed))
    canonical = _canonical("POST", "", signed, names, hashlib.sha256(body).hexdigest())
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    signature = _signature(credentials.secret_key, stamp, scope, canonical)
    authorization = (
        f"{_ALGORITHM} Credential={credentials.access_key}/{scope}, "
        f"SignedHeaders={names}, Signature={signature}"
    )
    return {**signed, "authorization": authorization}


def elasticache_token(
    credentials: Credentials, *, cache: str, user: str, region: str, now: float
) -> str:
    """Make the password with which `user` connects to `cache`: a presigned URL without its scheme.

    Args:
        cache: replication group id, lower case; user: ElastiCache user id.
        now: seconds since the epoch, UTC. The token is good for 900 s from then.

    https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/auth-iam.html
    """
    stamp = _stamp(now)
    scope = f"{stamp[:8]}/{region}/elasticache/aws4_request"
    query = {
        "Action": "connect",
        "User": user,
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": f"{credentials.access_key}/{scope}",
        "X-Amz-Date": stamp,
        "X-Amz-Expires": str(ELASTICACHE_TOKEN_LIFE_S),
        "X-Amz-SignedHeaders": "host",
    }
    if credentials.session_token is not None:
        query["X-Amz-Security-Token"] = credentials.session_token
    pairs = [f"{_encoded(name)}={_encoded(value)}" for name, value in query.items()]
    canonical = _canonical("GET", "&".join(sorted(pairs)), {"host": cache}, "host", _EMPTY_SHA256)
    signature = _signature(credentials.secret_key, stamp, scope, canonical)
    return f"{cache}/?{'&'.join(pairs)}&X-Amz-Signature={signature}"


def _stamp(now: float) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))


def _encoded(text: str) -> str:
    return quote(text, safe="-_.~")


def _canonical(
    method: str, query: str, headers: Mapping[str, str], names: str, body_sha256: str
) -> str:
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    return f"{method}\n/\n{query}\n{lines}\n{names}\n{body_sha256}"


def _signature(secret_key: str, stamp: str, scope: str, canonical: str) -> str:
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"AWS4{secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    to_sign = f"{_ALGORITHM}\n{stamp}\n{scope}\n{digest}"
    return hmac.digest(key, to_sign.encode(), "sha256").hex()
