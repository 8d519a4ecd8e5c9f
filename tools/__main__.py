"""`python -m tools` is `tl`."""

from tools.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
