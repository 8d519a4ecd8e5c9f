"""Every part of `tinyllama` stands in a layer of the handlers: else no contract holds it."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def layers(pyproject: str) -> set[str]:
    """The modules that the contract `handlers` names."""
    contracts = tomllib.loads(pyproject)["tool"]["importlinter"]["contracts"]
    (contract,) = [each for each in contracts if each["id"] == "handlers"]
    return {name.strip() for layer in contract["layers"] for name in layer.split("|")}


def parts(package: Path) -> set[str]:
    """The functions below `tinyllama`, and the concerns below `tinyllama.utils`."""
    return {
        f"{prefix}.{path.stem}"
        for prefix, folder in (("tinyllama", package), ("tinyllama.utils", package / "utils"))
        for path in folder.iterdir()
        if (path / "__init__.py").exists() or path.suffix == ".py"
        if path.stem not in ("__init__", "utils")
    }


def test_every_part_of_the_handlers_has_a_layer() -> None:
    """A new folder is named in `pyproject.toml`, or this says which is not."""
    listed = layers((ROOT / "pyproject.toml").read_text("utf-8"))
    assert listed == parts(ROOT / "handlers" / "tinyllama")


def test_new_folder_or_file_is_noticed(tmp_path: Path) -> None:
    """A function, a concern, and a file beside the concerns."""
    for name in ("router", "mailer", "utils", "utils/mail"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    (tmp_path / "utils" / "clock.py").touch()
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__init__.py").touch()
    named = '[[tool.importlinter.contracts]]\nid = "handlers"\nlayers = ["tinyllama.router | {}"]\n'
    assert parts(tmp_path) - layers(named.format("tinyllama.mailer")) == {
        "tinyllama.utils.mail",
        "tinyllama.utils.clock",
    }
    assert "tinyllama.mailer" in parts(tmp_path) - layers(named.format("tinyllama.stop"))
