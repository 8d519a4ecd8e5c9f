"""What a smoke cannot see where the servers are somebody else's, or the stack was there before."""

from e2e.gaps.gap import Gap

# Of a target whose servers the smoke does not run.
NO_SERVERS = (
    Gap(
        name="cache-loss",
        lacks="a way to crash the cache: nobody sees what becomes of queued jobs",
        stand_in=None,
    ),
    Gap(
        name="worker-crash",
        lacks="a way to crash the worker: nobody sees that its job is answered all the same",
        stand_in=None,
    ),
    Gap(
        name="job-life",
        lacks="a look into the cache past its access strings, for the time that jobs have to live",
        stand_in=None,
    ),
    Gap(
        name="reply-text",
        lacks="a model whose replies are known beforehand",
        stand_in="a reply is any text that is not empty",
    ),
)
# Of a smoke of a stack that stays.
NO_LIFE = Gap(
    name="life",
    lacks="package, deploy, GPU off, destroy and verify: the stack was there before and stays",
    stand_in=None,
)
# Of an endpoint nobody here has looked into.
UNKNOWN_ENDPOINT = Gap(
    name="endpoint",
    lacks="a list of what this endpoint does otherwise than AWS: none is known here",
    stand_in=None,
)
# Of LocalStack without a licence in host mode, as tried with 4.14; a licence adds most of it.
LOCALSTACK = Gap(
    name="localstack",
    lacks="without a licence: HTTP APIs, user pools, caches, functions, IAM decisions, and the "
    "security-group rules, retention and tags that templates ask for",
    stand_in=None,
)
