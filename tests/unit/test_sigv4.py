"""Credentials, and a signature AWS itself publishes."""

import pytest

from tinyllama.utils.aws.sigv4 import Credentials, elasticache_token, from_environment, sign


def test_signature_is_the_one_aws_publishes() -> None:
    """`post-vanilla` of the Signature Version 4 test suite."""
    found = sign(
        Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
        host="example.amazonaws.com",
        headers={},
        body=b"",
        service="service",
        region="us-east-1",
        now=1_440_938_160,
    )
    assert found == {
        "host": "example.amazonaws.com",
        "x-amz-date": "20150830T123600Z",
        "authorization": (
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
            "SignedHeaders=host;x-amz-date, "
            "Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
        ),
    }


def test_cache_token_names_who_connects_where() -> None:
    """The token begins with the cache's name, and has no scheme."""
    found = elasticache_token(
        Credentials("AKID", "secret", "session+/="),
        cache="tinyllama-dev",
        user="router",
        region="eu-central-1",
        now=1_440_938_160.9,
    )
    assert found.rpartition("&X-Amz-Signature=")[0] == (
        "tinyllama-dev/?Action=connect&User=router&X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKID%2F20150830%2Feu-central-1%2Felasticache%2Faws4_request"
        "&X-Amz-Date=20150830T123600Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host"
        "&X-Amz-Security-Token=session%2B%2F%3D"
    )


def test_credentials_do_not_show_their_secrets() -> None:
    """A traceback or a log that prints them tells the key's id only."""
    found = Credentials("AKID", "very-secret", "very-secret-token")
    assert repr(found) == str(found) == "Credentials(access_key='AKID')"


def test_credentials_come_from_the_runtime() -> None:
    """The three variables Lambda sets; an empty token is none."""
    environment = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_SESSION_TOKEN": ""}
    assert from_environment(environment) == Credentials("a", "b", None)
    assert from_environment(environment | {"AWS_SESSION_TOKEN": "c"}) == Credentials("a", "b", "c")


def test_credentials_are_read_anew_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """They rotate without a restart."""
    for key in ("first", "second"):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        assert from_environment().access_key == key


def test_missing_credentials_are_named() -> None:
    """The variable that is missing is told."""
    with pytest.raises(KeyError, match="AWS_SECRET_ACCESS_KEY"):
        from_environment({"AWS_ACCESS_KEY_ID": "a"})
