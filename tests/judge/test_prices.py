"""Prices: dated, sourced, never silent about their age, and never wrong in silence."""

import re
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from tljudge.data import prices, tagging
from tljudge.data.prices import MAX_AGE_DAYS, Price, PricesError

SOUND = """dated = 2026-01-01
usd_per_eur = { usd = 1.1, source = "s" }
[sources]
s = { url = "https://example.com", seen = "read" }
[us-east-1.hour]
"ec2.t3.small" = { usd = 0.02, source = "s" }
nat_gateway = { usd = 0.05, source = "s", confirmed = false }
[[types.free]]
source = "https://example.com"
names = ["AWS::IAM::*", "AWS::EC2::VPC"]
[[types.by_hour]]
source = "https://example.com"
names = ["AWS::EC2::TransitGateway*"]
"""


def made(folder: Path, text: str) -> Path:
    """Each text a file of its own, because a path is read once."""
    path = folder / f"{abs(hash(text))}.toml"
    path.write_text(text)
    return path


def test_lines_and_lists_are_read(tmp_path: Path) -> None:
    """A line by region, unit and item; what is missing is missing, not 0."""
    found = prices.load(made(tmp_path, SOUND))
    url = "https://example.com"
    assert found.lines == {
        ("us-east-1", "hour", "ec2.t3.small"): Price(0.02, url, True),
        ("us-east-1", "hour", "nat_gateway"): Price(0.05, url, False),
    }
    assert found.of("us-east-1", "hour", "ec2.t3.large") is None
    assert found.of("eu-central-1", "hour", "nat_gateway") is None
    assert (found.usd_per_eur, found.regions) == (Price(1.1, url, True), ["us-east-1"])
    kinds = ("AWS::IAM::Role", "AWS::EC2::VPC", "AWS::EC2::TransitGatewayAttachment", "AWS::X::Y")
    assert [found.kind(kind) for kind in kinds] == ["free", "free", "by_hour", None]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("dated = 2026-01-01", "", "dated is None; write the day"),
        ("dated = 2026-01-01", 'dated = "2026"', "dated is '2026'; write the day"),
        ("dated = 2026-01-01", "dated = 2999-01-01", "which is in the future"),
        ("dated = 2026-01-01", "dated = ", "correct the TOML here"),
        ("[sources]\ns = ", "x = ", "no [sources]; add a source"),
        ("dated = 2026-01-01", "dated = 2026-01-01\nx = 1", "unknown key 'x'; known are dated"),
        ('seen = "read"', "seen = 1", "write url and seen, both strings"),
        ("https://example.com", "http://example.com", "write an https:// address"),
        ("usd = 0.02, ", "", "us-east-1.hour.ec2.t3.small is {"),
        ("0.02", '"x"', "us-east-1.hour.ec2.t3.small.usd is 'x'; write a number"),
        ("0.02", "-1", "usd is -1; write a number of USD, 0 or more"),
        ("0.02", "nan", "usd is nan"),
        ("0.02", "true", "usd is True"),
        ('source = "s" }\nnat', 'source = "z" }\nnat', "source is 'z', not in [sources]"),
        ("confirmed = false", "confirmed = 0", "confirmed is 0; write true or false"),
        ("confirmed = false", "sure = false", "unknown key 'sure'"),
        ("[us-east-1.hour]", "[us-east-1.minute]", "unknown unit us-east-1.minute; known are hour"),
        ("usd = 1.1", "usd = 0", "usd_per_eur.usd is 0"),
        ("[[types.free]]", "[[types.cheap]]", "has another KIND; write free, by_use, by_hour"),
        ('"AWS::EC2::VPC"', '"AWS::IAM::*"', "AWS::IAM::* appears twice"),
        ('"AWS::EC2::VPC"', "1", "write a list of types"),
    ],
)
def test_malformed_file_is_refused(tmp_path: Path, old: str, new: str, words: str) -> None:
    """The error names the file and the key."""
    assert old in SOUND
    path = made(tmp_path, SOUND.replace(old, new, 1))
    with pytest.raises(PricesError) as caught:
        prices.load(path)
    assert str(caught.value).startswith(str(path))
    assert words in str(caught.value)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    """Named as it was given."""
    with pytest.raises(PricesError, match=r"nowhere\.toml: cannot be read"):
        prices.load(tmp_path / "nowhere.toml")


def test_old_prices_complain(tmp_path: Path) -> None:
    """On the last good day there is nothing to say, and on the next one there is."""
    found = prices.load(made(tmp_path, SOUND))
    last = date(2026, 1, 1) + timedelta(days=MAX_AGE_DAYS)
    assert found.complaint(last) == ""
    assert found.complaint(last + timedelta(days=1)) == (
        f"{found.path}: the prices are of 2026-01-01, 181 days old, and the limit is 180; "
        "check the lines at their sources and set dated"
    )
    assert replace(found, dated=date(2000, 1, 1)).complaint() != ""


def test_our_prices_have_what_the_facts_say() -> None:
    """Those that a bill of this project rests on, by both regions."""
    ours = prices.load()
    wanted = {
        ("hour", "ec2.t3.small"): (0.0208, 0.0240),
        ("hour", "ec2.t4g.small"): (0.0168, 0.0192),
        ("hour", "ec2.g4dn.xlarge"): (0.526, 0.658),
        ("gb_month", "volume.gp3"): (0.08, 0.0952),
        ("gb_month", "snapshot"): (0.05, 0.054),
        ("hour", "nat_gateway"): (0.045, 0.052),
        ("hour", "public_ipv4"): (0.005, 0.005),
        ("hour", "interface_endpoint"): (0.01, 0.012),
        ("hour", "cache.redis.cache.t4g.micro"): (0.016, 0.019),
        ("hour", "cache.valkey.cache.t4g.micro"): (0.0128, 0.015),
        ("hour", "cache.redis.cache.t4g.small"): (0.032, 0.037),
        ("hour", "cache.valkey.cache.t4g.small"): (0.0256, 0.030),
        ("gb_month", "cache_backup"): (0.085, 0.085),
        ("million", "http_api"): (1.0, 1.2),
        ("million", "lambda"): (0.2, 0.2),
        ("gb_second", "lambda.x86_64"): (0.0000166667, 0.0000166667),
        ("gb", "logs"): (0.5, 0.63),
        ("gb_month", "logs"): (0.03, 0.0324),
        ("month", "metric"): (0.3, 0.3),
        ("month", "alarm"): (0.1, 0.1),
        ("month", "dashboard"): (3.0, 3.0),
        ("gb_month", "ecr"): (0.1, 0.1),
        ("month", "secret"): (0.4, 0.4),
        ("month", "kms"): (1.0, 1.0),
    }
    found = {}
    for unit, item in wanted:
        lines = [ours.of(region, unit, item) for region in ("us-east-1", "eu-central-1")]
        found[unit, item] = tuple(line.usd for line in lines if line is not None)
    assert found == wanted


def test_what_is_general_knowledge_is_never_confirmed() -> None:
    """A source that nobody looked at confirms nothing."""
    text = prices.DEFAULT.read_text("utf-8")
    unseen = re.findall(r'^(\w+) = \{ url = .*seen = "general knowledge" \}$', text, re.MULTILINE)
    assert unseen != []
    for name in unseen:
        lines = re.findall(rf'^.*source = "{name}".*$', text, re.MULTILINE)
        assert lines != [], f"no price names the source {name}; take it out"
        assert [line for line in lines if "confirmed = false" not in line] == []


def test_listed_types_exist() -> None:
    """A name that no schema knows would be a spelling mistake, and its type UNKNOWN."""
    ours, types = prices.load(), tagging()
    assert sorted(ours.kinds.keys() - types.keys()) == []
