"""Our signatures are botocore's, byte for byte."""

from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

from botocore import credentials as boto_credentials
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from hypothesis import given
from hypothesis import strategies as st

from tests.loopback import botocore_headers
from tests.property.strategies import BASE64URL, Signing, header_sets, signings
from tinyllama.utils.aws.sigv4 import Credentials, elasticache_token, sign


def boto(signing: Signing) -> Any:
    """The same credentials for botocore."""
    return boto_credentials.Credentials(
        signing.access_key, signing.secret_key, signing.session_token
    )


def ours(signing: Signing) -> Credentials:
    """The same credentials for us."""
    return Credentials(signing.access_key, signing.secret_key, signing.session_token)


@given(
    signings(),
    header_sets(),
    st.binary(max_size=300),
    st.sampled_from(["dynamodb.eu-central-1.amazonaws.com", "127.0.0.1:4566", "a.example:8000"]),
)
def test_signed_post_is_what_botocore_signs(
    signing: Signing, headers: dict[str, str], body: bytes, host: str
) -> None:
    """The authorization of a POST equals botocore's for the same request at the same second."""
    found = sign(
        ours(signing),
        host=host,
        headers=headers,
        body=body,
        service=signing.service,
        region=signing.region,
        now=signing.now,
    )
    expected = botocore_headers(
        f"http://{host}/",
        headers,
        body,
        region=signing.region,
        service=signing.service,
        stamp=found["x-amz-date"],
        credentials=boto(signing),
    )
    assert found["authorization"] == expected["Authorization"]
    assert found.get("x-amz-security-token") == expected.get("X-Amz-Security-Token")


@given(signings(), st.text(BASE64URL, min_size=1, max_size=40), st.floats(0, 0.999))
def test_cache_token_is_what_botocore_presigns(
    signing: Signing, user: str, fraction: float
) -> None:
    """The password for the cache equals the presigned URL that AWS's own examples make."""
    cache = "tinyllama-dev-queue"
    request = AWSRequest("GET", f"http://{cache}/", params={"Action": "connect", "User": user})
    at = datetime.fromtimestamp(signing.now, UTC)
    with patch("botocore.auth.get_current_datetime", lambda: at):
        SigV4QueryAuth(boto(signing), "elasticache", signing.region, expires=900).add_auth(request)
    found = elasticache_token(
        ours(signing), cache=cache, user=user, region=signing.region, now=signing.now + fraction
    )
    assert f"http://{found}" == request.url
