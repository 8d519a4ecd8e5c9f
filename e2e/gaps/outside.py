"""The gaps of a target whose servers the smoke does not run, and of a stack that stays."""

from e2e.gaps.gap import Gap

# On a target whose servers the smoke does not run.
NO_SERVERS = (
    Gap(
        name="cache-loss",
        lacks="a way to crash the cache: what becomes of queued jobs is not tested",
        stand_in=None,
    ),
    Gap(
        name="worker-crash",
        lacks="a way to crash the worker: that its job is still answered is not tested",
        stand_in=None,
    ),
    Gap(
        name="turns",
        lacks="a look at the order in which the model gets prompts, which shows the users' turns",
        stand_in=None,
    ),
    Gap(
        name="resize",
        lacks="an EC2 that loses events and runs out of machines as asked: a resize is not tested",
        stand_in=None,
    ),
    Gap(
        name="stop-in-use",
        lacks="a model that thinks for as long as asked: a stop under others' jobs is not tested",
        stand_in=None,
    ),
    Gap(
        name="stopping",
        lacks="a node that stops for as long as asked: a prompt in that time is not tested",
        stand_in=None,
    ),
    Gap(
        name="no-capacity",
        lacks="an EC2 that refuses a start when asked to: what owners are told is not tested",
        stand_in=None,
    ),
    Gap(
        name="watchdog",
        lacks="a watchdog with short minutes: that the node stops itself is not tested",
        stand_in=None,
    ),
    Gap(
        name="builder",
        lacks="a launch time of our choice: that a forgotten builder ends is not tested",
        stand_in=None,
    ),
    Gap(
        name="report",
        lacks="budgets whose figures a test sets: the morning's mail is not tested",
        stand_in=None,
    ),
    Gap(
        name="metric-data",
        lacks="data of metrics within a minute: the dashboard's lines are not tested",
        stand_in=None,
    ),
    Gap(
        name="killer's-data",
        lacks="data of metrics within a minute: the killer's line is not tested",
        stand_in=None,
    ),
    Gap(
        name="killer",
        lacks="a Budget whose spend a test sets: the killer is not tested",
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
# On a stack that stays.
NO_LIFE = Gap(
    name="life",
    lacks="package, deploy, GPU off, destroy and verify: the stack was there before and stays",
    stand_in=None,
)
# On an endpoint whose differences from AWS are not known.
UNKNOWN_ENDPOINT = Gap(
    name="endpoint",
    lacks="a list of what this endpoint does otherwise than AWS: none is known here",
    stand_in=None,
)
# On LocalStack without a licence in host mode, as tried with 4.14; a licence adds most of it.
LOCALSTACK = Gap(
    name="localstack",
    lacks="without a licence: HTTP APIs, user pools, caches, functions, IAM decisions, and the "
    "security-group rules, retention and tags that templates ask for",
    stand_in=None,
)
