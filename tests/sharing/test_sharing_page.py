"""The page about sharing says what happens: its recipe and its commands, with the repository of the test in place."""

import re
from pathlib import Path

from conftest import ROOT
from sharing.conftest import LAYER, Remote, program

from engine.language.codes import CODES

PAGE = (ROOT / "docs" / "sharing.md").read_text()
THEIRS = "git+https://example.org/studio/recipes"


def test_the_commands_of_the_page_do_what_it_says(remote: Remote, here: Path) -> None:
    remote.commit({"flavours/ink.yaml": LAYER + "train: {adapter: {rank: 8}}\n"})
    ((name, recipe),) = re.findall(r"^```yaml (\S+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (here / name).write_text(recipe.replace(THEIRS, remote.url))
    commands = [
        line
        for text in re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
        for line in text.splitlines()
    ]
    assert len(commands) == 9
    for line in commands:
        command, _, says = line.partition("#")
        _, *words = command.split()
        if "--upgrade" in words:
            remote.commit(
                {"flavours/ink.yaml": f"{LAYER}train: {{adapter: {{rank: {len(says)}}}}}\n"}, "Another rank"
            )
        done = program(*words, cwd=here, RECIPE_ALLOW_FILE="1")
        wanted = int(code[1]) if (code := re.search(r"exit (\d+)", says)) else 0
        assert done.returncode == wanted, (line, done.stderr)
        assert ("Another rank" in done.stdout) is ("--upgrade" in words)
    assert (here / "cat-to-go" / "cat.lock.yaml").exists()


def test_the_page_names_every_code_of_a_refusal() -> None:
    refusals = {
        code for code, about in CODES.items() if code.startswith(("RCP50", "RCP52")) and about.exit == 5
    }
    assert set(re.findall(r"RCP\d{4}", PAGE)) == refusals
