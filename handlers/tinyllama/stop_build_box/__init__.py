"""The guard of the money: stops what runs for too long, and everything at 105 % of the budget.

`request` reads what happened, `meter` counts the month's spend, `ledger` keeps it and the latch,
`fleet` finds and stops machines, `killer` does all of it in order. Nothing here answers a client.
"""
