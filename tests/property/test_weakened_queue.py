"""The queue's laws can fail: a script with one line changed is caught by a run of random steps."""

import random
from unittest import mock

import pytest

from tests.processes import RedisServer
from tests.property.queue_model import KINDS, TELLING, Step
from tests.property.queue_run import check_agreement
from tinyllama.utils.queue import scripts

CHANGES: list[tuple[str, str, str]] = [
    # script, what stands there, what stands there instead
    ("accept", "redis.call('LLEN', own) >= most_own or", ""),
    ("accept", "own_count >= most_own", "own_count > most_own"),
    ("accept", "'+inf') >= most", "'+inf') > most"),
    ("accept", "redis.call('RPUSH', TURNS, sub)", "redis.call('LPUSH', TURNS, sub)"),
    ("accept", "redis.call('RPUSH', own, id) == 1", "redis.call('RPUSH', own, id) > 0"),
    ("accept", "local stored = values[1] or values[2]", "local stored = values[2]"),
    ("claim", "redis.call('RPUSH', TURNS, sub)", "redis.call('LPUSH', TURNS, sub)"),
    ("claim", "redis.call('LINDEX', own, 0)", "redis.call('LINDEX', own, -1)"),
    ("claim", "lease.consumer == consumer or lease['until'] <= now", "lease.consumer == consumer"),
    ("claim", "lease.consumer == consumer or lease['until'] <= now", "lease['until'] <= now"),
    ("claim", "not is_run and", ""),
    ("claim", "lease.consumer, lease['until'] = consumer, now", "lease['until'] = now"),
    ("begin", "math.max(lease.begun, attempt)", "lease.begun + 1"),
    ("begin", "or lease.consumer ~= consumer", ""),
    ("answer", "'EX', REPLY_LIFE_S, 'NX'", "'EX', REPLY_LIFE_S"),
    ("answer", "redis.call('DEL', JOB_OF .. id)", ""),
    ("withdraw", "redis.call('DEL', JOB_OF .. id)", ""),
    ("withdraw", "or not leave(id, job.sub)", ""),
    ("withdraw", "job.promised or", ""),
    ("sweep", "lease['until'] <= now and", ""),
    ("sweep", "lease.accepted <= too_old", "true"),
    ("stop_request", "if other ~= sub then", "if false then"),
    ("stop_request", "lease.sub ~= sub and", "false and"),
    ("stop_jobs", "ipairs(leases())", "ipairs({})"),
    ("stop_jobs", "if is_forced or owner == sub then", "if true then"),
    ("stop_jobs", "if is_forced or pair[2].sub == sub then", "if true then"),
    ("jobs", "redis.call('LREM', TURNS, 0, sub)", ""),
    ("jobs", "redis.call('LREM', own, 0, id)", ""),
    ("jobs", "redis.call('DEL', BELL)", ""),
]
RUNS, STEPS = 25, 60


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: f"{change[0]}: {change[1]}")
def test_steps_catch_a_changed_script(
    redis_server: RedisServer, change: tuple[str, str, str]
) -> None:
    """Some run of random steps sees the difference."""
    assert _is_caught(redis_server, *change), change


def test_steps_find_nothing_wrong_with_the_scripts(redis_server: RedisServer) -> None:
    """The scripts as they are agree with the model in those runs."""
    assert not _is_caught(redis_server, "accept", "-- Admit", "-- Admit")


def _is_caught(server: RedisServer, name: str, old: str, new: str) -> bool:
    plain = scripts._text

    def changed(package: str, script: str) -> str:
        text = plain(package, script)
        if script == name:
            assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {name}.lua"
            text = text.replace(old, new)
        return text

    with mock.patch.object(scripts, "_text", changed):
        chance = random.Random(1)  # noqa: S311 - the same steps each time

        def step() -> Step:
            return Step(chance.choice(KINDS), chance.randrange(4), chance.randrange(8))

        runs = [[step() for _ in range(STEPS)] for _ in range(RUNS)]
        for taken in (*TELLING, *runs):
            try:
                check_agreement(server, taken)
            except Exception:  # noqa: BLE001 - a crash is a difference too
                return True
    return False
