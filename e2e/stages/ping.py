"""Ping: a request passes the gateway, its authorizer and the router."""

from e2e.run import Run, expect


def run(run: Run) -> str:
    """A signed-in user gets 200."""
    answer = run.api.ask("GET", "/ping", run.users["ada"].token)
    seen = (answer.status, answer.json)
    expect(
        seen, (200, {"status": "ok"}), "GET /ping", logs=(run.function_log("router"), "ministack")
    )
    return "200"
