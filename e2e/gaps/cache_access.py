"""MiniStack's caches take no IAM tokens; this decides, as ElastiCache does, who may connect.

A path inside the MiniStack process takes a token and answers whether it opens the cache. It checks
the signature against the session that the token names, evaluates `elasticache:Connect` on the cache
and on the user, and returns the user's access string for the cache to enforce.
Source: https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/auth-iam.html
"""

import datetime as dt
import hashlib
import json
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from e2e.gaps.gap import Gap

GAP = Gap(
    name="cache-access",
    lacks="TLS, IAM authentication and user access strings of ElastiCache; a deleted cache goes on",
    stand_in="a TLS listener in front of a real Redis that verifies each token and asks IAM",
)

PATH = "/_gaps/cache-access"
TOKEN_LIFE_S = 900
MAX_TOKEN_BYTES = 16_384


def install() -> None:
    """Add `PATH` before MiniStack's own routes."""
    from ministack import app as ministack_app

    inner = ministack_app.app

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] != PATH:
            await inner(scope, receive, send)
            return
        message = await receive()
        token = message.get("body", b"")[:MAX_TOKEN_BYTES].decode("utf-8", "replace")
        body = json.dumps(_decide(token)).encode()
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    ministack_app.app = app


def _decide(token: str) -> dict[str, Any]:
    """`{"allowed": true, "accessString": …}` or `{"allowed": false, "why": …}`; never the token."""
    from ministack.core import iam_evaluator, sigv4
    from ministack.core.responses import request_scope
    from ministack.services import elasticache, sts

    split = urlsplit(f"http://{token}")
    query = dict(parse_qsl(split.query))
    scope = query.get("X-Amz-Credential", "").split("/")
    user_id = query.get("User", "")
    if len(scope) != 5 or query.get("Action") != "connect":
        return _refused("the password is not an IAM authentication token")
    access_key, day, region, service, _ = scope
    session = sts._sessions.get(access_key)
    if session is None or query.get("X-Amz-Security-Token") != session["SessionToken"]:
        return _refused("the token names no known session")
    account = session["Arn"].split(":")[4]
    canonical = sigv4.build_canonical_request(
        "GET",
        split.path,
        {"host": split.netloc},
        query,
        query.get("X-Amz-SignedHeaders", ""),
        payload_hash=hashlib.sha256(b"").hexdigest(),
    )
    date = query.get("X-Amz-Date", "")
    to_sign = sigv4.build_string_to_sign(date, day, region, service, canonical)
    secret = session["SecretAccessKey"]
    signature = sigv4.calculate_signature(secret, day, region, "elasticache", to_sign)
    if not sigv4.signatures_match(signature, query.get("X-Amz-Signature", "")):
        return _refused("the token's signature is wrong")
    if not 0 <= _age_s(date) <= TOKEN_LIFE_S:
        return _refused("the token has expired")
    with request_scope(account, region):
        principal = iam_evaluator.resolve_principal(access_key, account)
        user = elasticache._users.get(user_id)
        group = elasticache._replication_groups.get(split.netloc)
        if user is None or group is None:
            return _refused("no such cache or user")
        prefix = f"arn:aws:elasticache:{region}:{account}"
        for resource in (f"{prefix}:replicationgroup:{split.netloc}", f"{prefix}:user:{user_id}"):
            context = iam_evaluator.EvalContext(
                principal_arn=principal.arn,
                principal_type=principal.type,
                principal_account=account,
                action="elasticache:Connect",
                resource_arn=resource,
                region=region,
                principal_keys=principal.keys,
            )
            verdict = iam_evaluator.evaluate(context, principal.policies, *principal.limits)
            if verdict.decision != "Allow":
                return _refused(f"elasticache:Connect is not allowed on {resource}")
    return {"allowed": True, "user": user_id, "accessString": user["AccessString"]}


def _refused(why: str) -> dict[str, Any]:
    return {"allowed": False, "why": why}


def _age_s(date: str) -> float:
    try:
        signed_at = dt.datetime.strptime(date, "%Y%m%dT%H%M%SZ")
    except ValueError:
        return float("inf")
    now = dt.datetime.now(dt.UTC)
    # A token is dated in whole seconds, so a fresh one may be a fraction of a second ahead.
    return (now - signed_at.replace(tzinfo=dt.UTC)).total_seconds() + 1
