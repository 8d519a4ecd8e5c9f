"""Files, values and nested stacks: a template inside the bounds is judged, a larger one is refused.

The numbers stand here a second time on purpose: a bound that grows makes a test fail.
"""

from pathlib import Path

import pytest

from tests.judge.factory import of_type, report, template
from tljudge.decode.errors import TemplateError
from tljudge.decode.loader import read
from tljudge.decode.nodes import Map
from tljudge.decode.source import Sources, is_meant_as_template

MEBIBYTE = 1024 * 1024


def test_a_run_keeps_four_mebibytes_of_files(tmp_path: Path) -> None:
    """A file beyond that is read again."""
    files = [tmp_path / f"{i}.yaml" for i in range(5)]
    for file in files:
        file.write_bytes(b" " * MEBIBYTE)
    sources = Sources()
    before = [sources.read(file).digest for file in files]
    for file in files:
        file.write_bytes(b"#" * MEBIBYTE)
    is_kept = [sources.read(file).digest == old for file, old in zip(files, before, strict=True)]
    assert is_kept == [True, True, True, True, False]


def test_file_is_looked_at_for_its_meaning_in_its_first_64_kibibytes(tmp_path: Path) -> None:
    """A file that cannot be decoded, of any size."""
    path = tmp_path / "t.yaml"
    for spaces, is_meant in ((65_536 - 5, True), (65_536, False)):
        path.write_bytes(b" " * spaces + b"AWS::")
        assert is_meant_as_template(path) is is_meant


def nest(folder: Path, stacks: int, child: str) -> list[str]:
    """Errors of a template that nests one file so many times."""
    (folder / "child.yaml").write_text(child)
    inside = {"TemplateURL": "./child.yaml"}
    made = {f"N{i:03}": of_type("AWS::CloudFormation::Stack", inside) for i in range(stacks)}
    return [one.message for one in report(folder, template(made)).errors]


CHILD = "Resources: {T: {Type: 'AWS::SNS::Topic'}}\n"
TOO_MUCH = ["more than 100 stacks or 16777216 bytes of nested templates; split the deployment"]


def test_hundred_stacks_are_nested(tmp_path: Path) -> None:
    """And no more."""
    assert nest(tmp_path, 100, CHILD) == []
    assert nest(tmp_path, 101, CHILD) == TOO_MUCH


def test_sixteen_mebibytes_are_nested(tmp_path: Path) -> None:
    """And no more, also where one file is nested many times."""
    child = CHILD + "#" * (4 * MEBIBYTE - len(CHILD))
    assert nest(tmp_path, 4, child) == []
    assert nest(tmp_path, 5, child) == TOO_MUCH


@pytest.mark.parametrize(
    ("levels", "message"), [(97, ""), (98, "nested deeper than 100")], ids=["inside", "beyond"]
)
def test_hundred_levels_are_read(levels: int, message: str) -> None:
    """A list in a list counts, as a mapping does."""
    text = f"{{Resources: {{Q: {{Type: A::B::C, X: {'[' * levels}{']' * levels}}}}}}}"
    if not message:
        assert list(read(text).resources) == ["Q"]
        return
    with pytest.raises(TemplateError) as caught:
        read(text)
    assert message in caught.value.message


@pytest.mark.parametrize("element", ["x,\n", "x{}: y,\n"], ids=["list", "mapping"])
def test_two_hundred_thousand_values_are_read(element: str) -> None:
    """Written out or by aliases."""
    for many, is_read in ((199_990, True), (200_001, False)):
        inner = "".join([element.format(i) for i in range(many)])
        inner = f"[{inner}]" if element == "x,\n" else f"{{{inner}}}"
        text = f"{{Metadata: {{M: {inner}}}, Resources: {{Q: {{Type: A::B::C}}}}}}"
        if is_read:
            assert list(read(text).resources) == ["Q"]
        else:
            with pytest.raises(
                TemplateError, match="more than 200000 values with aliases expanded"
            ) as one:
                read(text)
            assert one.value.mark[0] == 200_001  # where it became too much, not at the end


def test_place_of_a_key_is_the_same_in_small_and_large_mappings() -> None:
    """A small one is searched, of a large one every place is noted."""
    for keys in (15, 16, 17):
        text = "Resources:\n  Q:\n    Type: A::B::C\n    Properties:\n" + "".join(
            f"      K{i}: v\n" for i in range(keys)
        )
        properties = read(text).resources["Q"]["Properties"]
        assert isinstance(properties, Map)
        assert [properties.mark(f"K{i}") for i in range(keys)] == [(5 + i, 7) for i in range(keys)]
