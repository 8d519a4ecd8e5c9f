"""Bodies: the router refuses a wrong body with the field's name and never its value."""

from e2e.run import Run, StageFailed, expect

CANARY = "zebra-canary"

REFUSED: tuple[tuple[str, bytes, str], ...] = (
    ("no body", b"", "body"),
    ("not JSON", b"{zebra-canary", "body"),
    ("a list", b'["zebra-canary"]', "body"),
    ("no prompt", b'{"idle": 5}', "prompt"),
    ("an empty prompt", b'{"prompt": ""}', "prompt"),
    ("a number as prompt", b'{"prompt": 7}', "prompt"),
    ("a prompt of 6145 bytes", b'{"prompt": "%s"}' % ("é" * 3072 + "x").encode(), "prompt"),
    ("NUL in the prompt", b'{"prompt": "zebra-canary\\u0000"}', "prompt"),
    ("idle 0", b'{"prompt": "zebra-canary", "idle": 0}', "idle"),
    ("idle 31", b'{"prompt": "zebra-canary", "idle": 31}', "idle"),
    ("idle true", b'{"prompt": "zebra-canary", "idle": true}', "idle"),
    ("idle NaN", b'{"prompt": "zebra-canary", "idle": NaN}', "body"),
    ("an unknown field", b'{"prompt": "zebra-canary", "model": "zebra-canary"}', "model"),
    ("a field twice", b'{"prompt": "zebra-canary", "prompt": "b"}', "prompt"),
    ("bad UTF-8", b'{"prompt": "zebra-canary\xff"}', "body"),
)


def run(run: Run) -> str:
    """Each wrong body is 400; the answer names the field and never repeats its value."""
    token = run.users["bert"].token
    for name, body, field in REFUSED:
        # Sent as bytes, a body that is not UTF-8 reaches the function as base64.
        sent_as = "application/octet-stream" if "UTF-8" in name else "application/json"
        answer = run.api.ask("POST", "/infer", token, body, {"content-type": sent_as})
        document = answer.json or {}
        seen = (answer.status, document.get("error"), document.get("field"))
        wanted = (400, "invalid_request", field)
        expect(seen, wanted, f"POST /infer with {name}", logs=(run.function_log("router"),))
        if CANARY in answer.body.decode("utf-8", "replace"):
            raise StageFailed(f"POST /infer with {name}: the answer repeats what was sent")
    return f"{len(REFUSED)} bodies"
