"""The control table: what forbids that the node is started, and the operation on its shape.

`hold` says what forbids a start; `operation` is what POST /resize asked for, `step` what comes
next, `table` the one item in which both are kept, `advance` the steps themselves.
"""
