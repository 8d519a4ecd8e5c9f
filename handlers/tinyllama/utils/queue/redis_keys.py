"""The keys in Redis, all without a prefix as a cache serves one stack.

job:{id}         JSON object, 480 s, of which it lives 300: id, prompt, idle, sub, reply, ts, body
                 (fingerprint); promised, if the request was repeated while the job waited or ran
reply:{id}       JSON object, 600 s: sub, status, reply or error and reason, ts, body; written once
waiting          sorted set of the jobs that wait: "{id} {sub}" by the time of acceptance (server's
                 clock, ms)
waiting:{sub}    list of one user's ids in `waiting`, oldest first
turns            list of the users in `waiting`, each once: the next claim serves its head, and puts
                 that user to its tail if more of their jobs wait
running          hash of the jobs that workers hold: id to a JSON object of consumer, until (end of
                 the lease, server, ms), accepted (as in `waiting`), begun (times), sub
bell             list of at most one element, pushed by accept; a worker without a job blocks on it
throttle:{sub}   times (us) of the requests that passed: at most 5 in 1 s and 20 in 60 s; 61 s
node:heartbeat   10 s, refreshed by the worker: the node's id, with " loading" behind it until its
                 model answers
node:start       the lock of the request that looks for the node: empty for 28 s while it looks,
                 then for 2 s the outcome
node:refused     300 s: the reason why there was no node to start at the last look that was refused
node:asked       300 s: EC2 was asked to start the node, and nobody has counted that start yet

The scripts know these names from here (`scripts.py`). `waiting`, its lists and `turns` change in
one script or not at all; Redis deletes each of them, like `running`, when its last element goes.
"""

from typing import Final

WAITING: Final = "waiting"
TURNS: Final = "turns"
RUNNING: Final = "running"
BELL: Final = "bell"
HEARTBEAT: Final = "node:heartbeat"
START: Final = "node:start"
ASKED: Final = "node:asked"
REFUSAL: Final = "node:refused"
LOADING: Final = " loading"
"""What a heartbeat ends with while the model is loading."""
JOB_OF: Final = "job:"
REPLY_OF: Final = "reply:"
WAITING_OF: Final = "waiting:"
THROTTLE_OF: Final = "throttle:"


def job_key(job_id: str) -> str:
    """The key of the job itself."""
    return f"{JOB_OF}{job_id}"


def reply_key(job_id: str) -> str:
    """The key of the job's answer."""
    return f"{REPLY_OF}{job_id}"


def waiting_key(sub: str) -> str:
    """The key of the list of an owner's waiting jobs."""
    return f"{WAITING_OF}{sub}"


def throttle_key(sub: str) -> str:
    """The key of an owner's recent requests."""
    return f"{THROTTLE_OF}{sub}"
