"""What several functions share, one folder for each concern.

    http           the request's event, authentication of it, its body; the response; errors as HTTP
    auth           access tokens, the signing keys that verify them, and where those keys are stored
    waking         looking for the node and starting it, once for everybody who asks
    queue          the job queue in Redis, its connection, its scripts, job ids
    aws            request signatures, DynamoDB, the compute node through EC2
    observability  log lines and metrics
    decoding       strict JSON and base64url
    settings       what the template passes to a function, checked

Imports point one way: http to auth, queue, aws and observability; waking to queue, aws and
observability; auth and queue to aws; all of them to decoding and settings, which import nothing of
ours. Only http knows HTTP statuses: the other folders raise errors of their own, and `http.errors`
maps each to its response.
"""
