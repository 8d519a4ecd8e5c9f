"""A new user's mistakes: each is one line that says where, what was found, and what to do.

Long because one table shows the form of all lines side by side.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
TL = [sys.executable, "-P", "-m", "tljudge"]
TEMPLATE = "Resources:\n  L:\n    Type: AWS::Logs::LogGroup\n"
HARMLESS = "Resources: {T: {Type: AWS::IAM::UserToGroupAddition, Properties: {GroupName: g}}}\n"
# Root reads everything; without these two capabilities it is refused as anybody is.
UNPRIVILEGED = (
    ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package outside a clone, as pip puts it: without the operator's commands."""
    folder = tmp_path_factory.mktemp("package")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "compliance" / "tljudge", folder / "tljudge", ignore=ignored)
    return folder


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with a template, and much that is none."""
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "t.yaml").write_text(TEMPLATE)
    (folder / "none").mkdir()
    (folder / "none" / "x.json").write_text("{}")
    (folder / "link.yaml").symlink_to("nowhere")
    (folder / "key.toml").write_text("[tags]\nrequird = []\n")
    (folder / "section.toml").write_text("[tag]\n")
    (folder / "broken.toml").write_text("[tags\n")
    (folder / "latin.toml").write_bytes(b"# \xe9\n")
    (folder / "deep.toml").write_text("a = " + "[" * 100_000)
    (folder / "deep.json").write_text("[" * 100_000)
    (folder / "full.svg").symlink_to("/dev/full")
    (folder / "bare").mkdir()
    (folder / "empty.json").write_text("\n")
    (folder / "list.json").write_text("[1]")
    (folder / "key.json").write_text('{"Parameter": {}}')
    (folder / "value.json").write_text('{"Parameters": {"A": null}}')
    return folder


def tl(
    package: Path, here: Path, *words: str, before: list[str] | None = None, **environment: str
) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one command."""
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(package), **environment}
    done = subprocess.run(
        [*(before or []), *TL, *words], cwd=here, env=env, check=False, capture_output=True,
        text=True, timeout=60, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


HELP = "; `tl {} --help` shows what it takes\n"
PATHS = "name a template, or a folder that holds some\n"
FORM = 'write {{"Parameters": {{...}}, "Tags": {{...}}}}\n'
MISTAKES: dict[str, str] = {
    "": "tl: no command; name one of check, rules, cost, mutate, or ask `tl --help`\n",
    "chek t.yaml": "tl: no command 'chek' here; did you mean check?\n",
    "smoke": "tl: no command 'smoke' here; it has check, rules, cost, mutate; the others run in a "
    "clone of the repository\n",
    "rules x": "rules: unrecognized arguments: x" + HELP.format("rules"),
    "check": "check: no path given; name a template or a folder\n",
    "check nowhere.yaml": "check: no file or folder 'nowhere.yaml'; name a template or a folder\n",
    "check none": f"check: no template in none; {PATHS}",
    "cost": "cost: no path given; name a template or a folder\n",
    "cost none": f"cost: no template in none; {PATHS}",
    "mutate": "mutate: no path given; name a template or a folder\n",
    "mutate none": f"mutate: no template in none; {PATHS}",
    "mutate bare": f"mutate: no template in bare; {PATHS}",
    "--nope": "tl: unrecognized arguments: --nope; `tl --help` shows what it takes\n",
    "check --deployed X": "check: --deployed reads an account, which the installed package does "
    "not; run it in a clone of the repository: .venv/bin/tox run -e tl -- check --deployed STACK\n",
    "check t.yaml --output no/x": "check: no folder {here}/no to write into; make it first\n",
    "check t.yaml --output none": "check: none is a folder; name a file to write\n",
    "check t.yaml --output /dev/full": "check: /dev/full: cannot be written: No space left on "
    "device; name another file\n",
    "check t.yaml --write-baseline none": "check: none is a folder; name a file to write\n",
    "cost t.yaml --chart no/x": "cost: no folder {here}/no to write into; make it first\n",
    "cost t.yaml --chart none": "cost: none is a folder; name a file to write\n",
    "cost t.yaml --chart full.svg": "cost: full.svg: cannot be written: No space left on "
    "device; name another file\n",
    "mutate t.yaml --json none": "mutate: none is a folder; name a file to write\n",
    "mutate t.yaml --operator no": "mutate: no operator 'no'; the table of `tl mutate PATH` lists "
    "all\n",
    "check t.yaml --jobs x": "check: argument --jobs: invalid int value: 'x'"
    + HELP.format("check"),
    "check t.yaml --policy key.toml": "check: key.toml: unknown key tags.requird; known are "
    "required\n",
    "check t.yaml --policy section.toml": "check: section.toml: unknown section 'tag'; known are "
    "scenarios, iam, egress, logs, tags, cost, waivers\n",
    "check t.yaml --policy broken.toml": "check: broken.toml: Expected ']' at the end of a table "
    "declaration (at line 1, column 6); correct the TOML here\n",
    "check t.yaml --policy latin.toml": "check: latin.toml: byte 2 is not UTF-8; save it "
    "as UTF-8\n",
    "check t.yaml --policy deep.toml": "check: deep.toml: is nested too deep; write a plain "
    "policy\n",
    "check t.yaml --policy none": "check: none: cannot be read: Is a directory; name a TOML file\n",
    "check t.yaml --parameters latin.toml": "check: latin.toml: byte 2 is not UTF-8; save it as "
    "UTF-8\n",
    "check t.yaml --parameters deep.json": "check: deep.json: is nested too deep; name a parameter "
    "file\n",
    "check t.yaml --parameters empty.json": f"check: empty.json: is empty; {FORM}",
    "check t.yaml --parameters list.json": f"check: list.json: is a list, not a mapping; {FORM}",
    "check t.yaml --parameters key.json": f"check: key.json: unknown key 'Parameter'; {FORM}",
    "check t.yaml --parameters value.json": "check: value.json: Parameters maps names to texts or "
    "numbers; 'A' has neither\n",
    "check t.yaml --baseline empty.json": "check: empty.json: is empty; --write-baseline to "
    "another file makes one\n",
    "check t.yaml --baseline .": "check: .: cannot be read: Is a directory; name a file\n",
    "cost t.yaml --chart a.png": "cost: --chart a.png is drawn as SVG; name a file that ends in "
    ".svg\n",
    "check t.yaml --baseline latin.toml": "check: latin.toml: byte 2 is not UTF-8; save it as "
    "UTF-8\n",
}


@pytest.mark.parametrize("words", MISTAKES)
def test_mistake_is_one_line_and_exit_code_2(package: Path, here: Path, words: str) -> None:
    """Nothing on standard output, no traceback, no list of options."""
    expected = MISTAKES[words].format(here=here)
    assert tl(package, here, *words.split()) == (2, "", expected)


@pytest.mark.parametrize(
    "words", [["check", ""], ["cost", ""], ["mutate", ""], ["check", "t.yaml", "--output", ""]]
)
def test_empty_path_is_not_the_current_folder(package: Path, here: Path, words: list[str]) -> None:
    """An unset shell variable must not name everything here."""
    where = words[-2] if len(words) > 2 else "PATH"
    expected = f"{words[0]}: argument {where}: is empty; name a file or a folder"
    assert tl(package, here, *words) == (2, "", expected + HELP.format(words[0]))


def test_unknown_format_lists_the_formats(package: Path, here: Path) -> None:
    """In one line; its quotes differ between versions of Python."""
    code, out, error = tl(package, here, "check", "t.yaml", "--format", "xml")
    assert (code, out, error.count("\n")) == (2, "", 1)
    assert error.startswith("check: argument --format: invalid choice: 'xml' (choose from ")
    assert all(name in error for name in ("text", "json", "sarif", "junit", "github"))
    assert error.endswith(HELP.format("check"))


def test_link_that_leads_nowhere_is_named_so(package: Path, here: Path) -> None:
    """By every command that reads templates, on standard output."""
    said = "link.yaml:1: {}is a link that leads nowhere; mend or remove it"
    for command, prefix in (("check", "not judged: "), ("cost", ""), ("mutate", "")):
        code, out, error = tl(package, here, command, "link.yaml")
        assert code == 3
        assert said.format(prefix) in out
        assert error == ""


@pytest.mark.parametrize("command", ["check", "cost", "mutate"])
def test_link_to_itself_is_one_error_of_its_own(package: Path, here: Path, command: str) -> None:
    """The rest is judged where a command reports templates one by one."""
    folder = here / "folder"
    folder.mkdir()
    (folder / "loop.yaml").symlink_to("loop.yaml")
    shutil.copy(here / "t.yaml", folder)
    code, out, _ = tl(package, here, command, "folder")
    assert code == 3
    assert "leads nowhere; mend or remove it" in " ".join(out.split())
    assert ("1 template" in out) is (command == "check")


def test_folder_that_cannot_be_listed_does_not_pass(package: Path, here: Path) -> None:
    """What nobody could look into is not clean: each command ends with 3 and names the folder."""
    locked = here / "folder" / "locked"
    locked.mkdir(parents=True)
    shutil.copy(here / "t.yaml", locked)
    (here / "folder" / "harmless.yaml").write_text(HARMLESS)
    locked.chmod(0)
    try:
        for command in ("check", "cost", "mutate"):
            code, out, error = tl(package, here, command, "folder", before=UNPRIVILEGED)
            text = " ".join((out + error).split())
            assert "folder/locked:1: " in text
            assert "cannot be read: Permission denied; check its name and permissions" in text
            assert code == 3
    finally:
        locked.chmod(0o700)
    assert tl(package, here, "check", "folder", before=UNPRIVILEGED)[0] == 1


def test_file_that_cannot_be_read_is_named(package: Path, here: Path) -> None:
    """Of the template, and of the policy."""
    (here / "t.yaml").chmod(0)
    code, out, _ = tl(package, here, "check", "t.yaml", before=UNPRIVILEGED)
    assert (code, " ".join(out.split()).split(" check:")[0]) == (
        3, "t.yaml:1: not judged: cannot be read: Permission denied; check its name and "
        "permissions",
    )  # fmt: skip
    (here / "t.yaml").chmod(0o600)
    (here / "key.toml").chmod(0)
    found = tl(package, here, "check", "t.yaml", "--policy", "key.toml", before=UNPRIVILEGED)
    said = "check: key.toml: cannot be read: Permission denied; name a TOML file\n"
    assert found == (2, "", said)


def test_mutate_passes_over_what_check_passes_over(package: Path, here: Path) -> None:
    """A pipe, a large file of another kind: in a folder neither is a template."""
    folder = here / "folder"
    folder.mkdir()
    os.mkfifo(folder / "pipe.yaml")
    with (folder / "big.json").open("wb") as file:
        file.truncate(5 * 1024 * 1024)
    (folder / "t.yaml").write_text(TEMPLATE)
    code, out, error = tl(package, here, "mutate", "folder", "--jobs", "1")
    assert error == "mutate: folder/t.yaml: 10 mutants, 0 survived\n"
    assert (code, out.splitlines()[-1][:35]) == (0, "mutate: PASS: 10 of 10 mutants kill")


@pytest.mark.parametrize("home", ["/proc/nowhere", "", None])
def test_home_that_cannot_be_written_changes_nothing(
    package: Path, here: Path, home: str | None
) -> None:
    """The cache is left out; the verdicts and the exit code are the same."""
    environment: dict[str, Any] = {} if home is None else {"HOME": home}
    expected = tl(package, here, "check", "t.yaml", XDG_CACHE_HOME=str(here / "cache"))
    assert tl(package, here, "check", "t.yaml", **environment) == expected
    assert expected[0] == 1


def test_closed_and_full_standard_output(package: Path, here: Path) -> None:
    """One line each, on standard error."""

    def shell(line: str) -> tuple[int, str]:
        command = f'exec "$@" {line}'
        _, out, error = (found := tl(package, here, "check", "t.yaml", before=[
            "bash", "-c", command, "bash"]))  # fmt: skip
        return found[0], out + error

    assert shell(">&-") == (
        2, "tl: standard output is closed; send it to a file, or to /dev/null\n"
    )  # fmt: skip
    assert shell(">/dev/full") == (3, "check: No space left on device; --debug shows where\n")
    assert shell(">&- 2>&-") == (2, "")


@pytest.mark.parametrize("words", [("--debug", "check"), ("check", "--debug")])
def test_debug_stands_before_or_after_the_command(
    package: Path, here: Path, words: tuple[str, ...]
) -> None:
    """Whoever reads "--debug shows where" adds it at the end."""
    code, _, error = tl(
        package, here, *words, "t.yaml", before=["bash", "-c", 'exec "$@" >/dev/full', "bash"]
    )
    assert (code, "Traceback" in error) == (3, True)


def test_reader_that_has_seen_enough_is_no_error(package: Path, here: Path) -> None:
    """As in `tl rules | head -1`: nothing on standard error."""
    line = '"$@" | head -1; exit ${PIPESTATUS[0]}'
    code, out, error = tl(
        package, here, "rules", "--format", "markdown", before=["bash", "-c", line, "bash"]
    )
    assert (out.count("\n"), error) == (1, "")
    assert code in (0, 3)


def test_folder_that_was_removed_is_named(package: Path, here: Path) -> None:
    """A path relative to it means nothing."""
    line = 'mkdir gone && cd gone && rmdir ../gone && exec "$@"'
    found = tl(package, here, "check", "t.yaml", before=["bash", "-c", line, "bash"])
    assert found == (
        2, "", "tl: the current folder: No such file or directory; change into a folder that "
        "exists\n",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_interrupted_among_many_files(package: Path, here: Path, name: str) -> None:
    """Exit code 3, one line, no report, and no process that goes on."""
    numbers = range(10)
    lines = ["Parameters:", *(f"  P{i}: {{Type: String, AllowedValues: [a, b]}}" for i in numbers)]
    lines += ["Conditions:", *(f"  C{i}: !Equals [!Ref P{i}, a]" for i in numbers), "Resources:"]
    for group in range(40):
        lines += [f"  G{group}:", "    Type: AWS::EC2::SecurityGroup", "    Properties:"]
        lines += ["      SecurityGroupEgress:"]
        lines += [
            f"        - !If [C{i}, {{CidrIp: 10.0.0.0/8}}, {{CidrIp: 10.0.0.0/9}}]"
            for i in range(8)
        ]
    (here / "many").mkdir()
    for number in range(60):
        (here / "many" / f"{number}.yaml").write_text("\n".join([*lines, f"# {number}\n"]))
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(package)}
    with subprocess.Popen(
        [*TL, "check", "many", "--no-cache", "--jobs", "2"], cwd=here, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        # A shell's background job has Ctrl-C ignored, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:  # fmt: skip
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        until = time.monotonic() + 60
        while not (workers := children.read_text().split()) and time.monotonic() < until:
            time.sleep(0.01)
        assert workers
        began = time.monotonic()
        process.send_signal(getattr(signal, name))
        out, error = process.communicate(timeout=60)
        took_s = time.monotonic() - began
    assert (process.returncode, out) == (3, "")
    assert error == "check: interrupted; everything it started has ended\n"
    assert [one for one in workers if Path(f"/proc/{one}").exists()] == []
    assert took_s < 5, "a file in hand is not judged to its end first"
