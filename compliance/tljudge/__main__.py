"""`python -m tljudge` is `tl`."""

from tljudge.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
