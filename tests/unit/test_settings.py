"""A wrong setting is named, and what was in it is not told."""

import pytest

from tests.tokens import AUDIENCE, ISSUER
from tinyllama.utils.settings import (
    InvalidSetting,
    KeySettings,
    QueueAddress,
    Settings,
    endpoint,
    read_queue,
    router_is_disabled,
)

ENVIRONMENT = {
    "AWS_REGION": "eu-central-1",
    "TL_STACK": "tinyllama-dev",
    "TL_PROJECT": "tinyllama",
    "TL_ISSUER": ISSUER,
    "TL_AUDIENCE": AUDIENCE,
    "TL_KEYS_TABLE": "tinyllama-dev-signing-keys",
    "TL_DISABLE_LAM_ROUTER": "0",
    "TL_QUEUE_HOST": "master.tinyllama-dev.x1y2z3.euc1.cache.amazonaws.com",
    "TL_QUEUE_PORT": "6379",
    "TL_QUEUE_CACHE": "tinyllama-dev",
    "TL_QUEUE_USER": "tinyllama-dev-router",
}
SECRET = "hunter2 hunter2"


def test_settings_are_read() -> None:
    """What the template sets."""
    assert Settings.read(ENVIRONMENT) == Settings(
        stack="tinyllama-dev",
        project="tinyllama",
        audience=AUDIENCE,
        keys=KeySettings(
            issuer=ISSUER,
            keys_table="tinyllama-dev-signing-keys",
            region="eu-central-1",
            dynamodb_url="https://dynamodb.eu-central-1.amazonaws.com",
        ),
    )


def test_endpoint_follows_the_partition() -> None:
    """In China the services live under another suffix, which the issuer tells."""
    china = {
        "AWS_REGION": "cn-north-1",
        "TL_ISSUER": "https://cognito-idp.cn-north-1.amazonaws.com.cn/cn-north-1_Ab1Cd2Ef3",
    }
    found = KeySettings.read(ENVIRONMENT | china)
    assert found.dynamodb_url == "https://dynamodb.cn-north-1.amazonaws.com.cn"


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("AWS_REGION", "a region"),
        ("TL_STACK", "a stack's name"),
        ("TL_AUDIENCE", "an app client's id"),
        ("TL_ISSUER", "the user pool's issuer URL"),
        ("TL_KEYS_TABLE", "a DynamoDB table's name"),
    ],
)
def test_wrong_setting_is_named_without_its_value(name: str, what: str) -> None:
    """The message says which variable, and what it must be."""
    with pytest.raises(InvalidSetting) as wrong:
        Settings.read(ENVIRONMENT | {name: SECRET})
    assert str(wrong.value) == f"{name} must be {what}"


@pytest.mark.parametrize(
    "name",
    ["AWS_REGION", "TL_STACK", "TL_PROJECT", "TL_ISSUER", "TL_AUDIENCE", "TL_KEYS_TABLE"],
)
def test_missing_setting_is_named(name: str) -> None:
    """Absent or empty is the same."""
    for environment in (
        ENVIRONMENT | {name: ""},
        {k: v for k, v in ENVIRONMENT.items() if k != name},
    ):
        with pytest.raises(InvalidSetting) as wrong:
            Settings.read(environment)
        assert str(wrong.value) == f"{name} is not set"


@pytest.mark.parametrize(
    "issuer",
    [
        ISSUER + "/",
        ISSUER + "\n",
        ISSUER.replace("https", "http"),
        ISSUER.replace("cognito-idp", "evil"),
        "https://cognito-idp.eu-central-1.amazonaws.com/",
        "https://cognito-idp.eu-central-1.amazonaws.com@evil.example/eu-central-1_A",
    ],
)
def test_issuer_is_a_user_pool(issuer: str) -> None:
    """Nothing but the exact URL that the pool writes into its tokens."""
    with pytest.raises(InvalidSetting, match="TL_ISSUER"):
        Settings.read(ENVIRONMENT | {"TL_ISSUER": issuer})


def test_queue_is_read() -> None:
    """All four variables, the port a number."""
    assert read_queue(ENVIRONMENT) == QueueAddress(
        host="master.tinyllama-dev.x1y2z3.euc1.cache.amazonaws.com",
        port=6379,
        cache="tinyllama-dev",
        user="tinyllama-dev-router",
    )


def test_there_is_no_queue_while_all_four_are_empty() -> None:
    """UseGpu=false sets them empty; absent is the same."""
    empty = {name: "" for name in ENVIRONMENT if name.startswith("TL_QUEUE_")}
    assert read_queue(ENVIRONMENT | empty) is None
    assert read_queue({}) is None


@pytest.mark.parametrize("name", ["HOST", "PORT", "CACHE", "USER"])
def test_half_a_queue_is_an_error(name: str) -> None:
    """One of the four missing is a mistake in the template, not a queue that is away."""
    with pytest.raises(InvalidSetting, match=f"TL_QUEUE_{name} is not set"):
        read_queue(ENVIRONMENT | {f"TL_QUEUE_{name}": ""})


@pytest.mark.parametrize("port", ["0", "65536", "-1", "6379.0", "abc", "6379 ", "\u0663"])
def test_port_is_a_port(port: str) -> None:
    """1 to 65535."""
    with pytest.raises(InvalidSetting, match="TL_QUEUE_PORT"):
        read_queue(ENVIRONMENT | {"TL_QUEUE_PORT": port})


def test_switch_is_zero_or_one() -> None:
    """0 is on, 1 is off."""
    assert router_is_disabled({"TL_DISABLE_LAM_ROUTER": "1"}) is True
    assert router_is_disabled({"TL_DISABLE_LAM_ROUTER": "0"}) is False


@pytest.mark.parametrize("value", ["", "true", "yes", "2", " 1", "1\n", "01"])
def test_switch_is_nothing_else(value: str) -> None:
    """A switch that nobody understands is an error, not "on"."""
    with pytest.raises(InvalidSetting, match="TL_DISABLE_LAM_ROUTER"):
        router_is_disabled({"TL_DISABLE_LAM_ROUTER": value})


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        ({}, "https://default"),
        ({"AWS_ENDPOINT_URL": ""}, "https://default"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:4566/"}, "http://127.0.0.1:4566"),
        ({"AWS_ENDPOINT_URL": "http://a:1", "AWS_ENDPOINT_URL_DYNAMODB": "https://b"}, "https://b"),
        ({"AWS_ENDPOINT_URL_S3": "http://a:1"}, "https://default"),
    ],
)
def test_endpoint_is_found_as_the_sdks_find_it(environment: dict[str, str], url: str) -> None:
    """The service's own variable, then the general one, then AWS."""
    assert endpoint(environment, "DYNAMODB", default="https://default") == url


@pytest.mark.parametrize("url", ["ftp://a", "127.0.0.1:4566", "http://", "http://u:p@host"])
def test_endpoint_is_a_url(url: str) -> None:
    """http or https, a host, and no user in it."""
    with pytest.raises(InvalidSetting) as wrong:
        endpoint({"AWS_ENDPOINT_URL": url}, "DYNAMODB", default="")
    assert str(wrong.value) == "AWS_ENDPOINT_URL must be an http or https URL without a user"
