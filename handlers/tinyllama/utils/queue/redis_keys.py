"""The keys in Redis, all without a prefix as a cache serves one stack.

job:{id}         JSON object, 300 s: id, prompt, idle, sub, reply, ts, body (fingerprint), entry
jobs             stream, one entry {"id"} a job; group `workers`; answered entries are deleted
state:{id}       "running", written by the worker for the rest of the job's life
reply:{id}       JSON object, 600 s: sub, status, reply or error, ts, body; written once
throttle:{sub}   times (us) of the requests that passed: at most 5 in 1 s and 20 in 60 s; 61 s
node:heartbeat   10 s, refreshed by the worker
node:start       the lock of the request that looks for the node: empty for 10 s while it looks,
                 then for 2 s the outcome
"""

from typing import Final

STREAM: Final = "jobs"
GROUP: Final = "workers"
HEARTBEAT: Final = "node:heartbeat"
START: Final = "node:start"


def job_key(job_id: str) -> str:
    """The key of the job itself."""
    return f"job:{job_id}"


def reply_key(job_id: str) -> str:
    """The key of the job's answer."""
    return f"reply:{job_id}"


def state_key(job_id: str) -> str:
    """The key that exists while a worker runs the job."""
    return f"state:{job_id}"


def throttle_key(sub: str) -> str:
    """The key of an owner's recent requests."""
    return f"throttle:{sub}"
