"""HTTP: the event of a request, who sent it, its body; the response, and the errors as responses.

`errors` holds the one table from a domain error to its status and public code; `responses` holds
`serve`, which applies it. Imports auth, control.operation, queue.errors, aws, observability,
decoding and settings; only handlers import this folder.
"""
