"""The shape of the house, held by a machine: who imports whom, how long things are, which options there are."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from engine.cli.main import program

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted((ROOT / "engine").rglob("*.py"))
assert len(FILES) > 50, "a moved folder must not look like a passing test"

# package (or module) → what it may import of ours; a stage's run.py is the only place where all of it meets
MAY = {
    "words": {"words", "shipped"},
    "shipped": set(),
    "seam": set(),
    "store": {"endings", "seam"},
    "clips": {"clips", "endings"},
    "sources": {"sources", "clips"},
    "tensors": set(),
    "report": {"report"},
    "importing": {"importing", "language", "words"},
    "language": {"language", "words", "shipped"},
    "sharing": {"sharing", "language", "words", "seam", "plan"},
    "plan": {"plan", "language", "words", "seam", "store"},
    "execute": {"endings", "execute", "plan", "language", "words", "seam", "store", "stages", "header"},
    "pipeline": {"endings", "execute", "plan", "language", "stages", "seam", "store"},
    "authoring": {"authoring", "language", "words", "shipped", "plan", "stages", "seam", "clips"},
    "cli": {
        "cli",
        "sharing",
        "shipped",
        "authoring",
        "importing",
        "pipeline",
        "execute",
        "plan",
        "language",
        "words",
        "endings",
        "report",
        "stages",
    },
    "training": {"training"},
    "header": set(),
    "names": set(),
    "endings": set(),
    "wan": {"wan", "words", "header", "names"},
    "hub": {"endings", "seam"},
    "device": {"endings", "seam"},
    "stages": {"endings", "stages", "seam", "words", "store", "clips", "sources", "header", "names"},
    "run": {
        "endings",
        "stages",
        "seam",
        "words",
        "store",
        "clips",
        "sources",
        "tensors",
        "report",
        "hub",
        "device",
        "training",
        "wan",
    },
}
TORCH_SIDE = {"training", "wan", "device", "hub", "tensors"}
# what is a stage's run.py, and what was taken out of one that grew long
RUN = ("run.py", "train/asked.py", "train/prepare.py", "train/samples.py")
HEAVY = {"torch", "diffusers", "transformers", "peft", "safetensors", "huggingface_hub", "optimi"}


def home(path: Path) -> str:
    """The package of a file; ``run`` for the part of a stage that brings torch in."""
    first = path.relative_to(ROOT / "engine").parts[0].removesuffix(".py")
    return "run" if first == "stages" and str(path).endswith(RUN) else first


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            if node.module == "engine":
                yield from (f"engine.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_imports_only_what_its_floor_may(path: Path) -> None:
    where = home(path)
    if where == "__init__":
        return
    ours = {name.split(".")[1] for name in imports(path) if name.startswith("engine.")} - {"VERSION"}
    assert ours <= MAY[where], f"{where} may not import {sorted(ours - MAY[where])}"
    if where not in TORCH_SIDE | {"run"}:
        assert not {name.split(".")[0] for name in imports(path)} & HEAVY, "the engine side is free of torch"


def test_no_file_imports_in_a_circle() -> None:
    graph = {}
    for path in FILES:
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        guarded = {inner for node in ast.walk(ast.parse(path.read_text()))
                   if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
                   for inner in imports_of(node)}  # fmt: skip
        graph[name] = {target for target in imports(path) if target.startswith("engine.")} - guarded - {name}
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, " → ".join([*above[above.index(name) :], name])
        if name not in done:
            for target in graph.get(name, ()):
                visit(target, (*above, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def imports_of(node: ast.AST) -> set[str]:
    return {inner.module for inner in ast.walk(node) if isinstance(inner, ast.ImportFrom) and inner.module}


def test_files_and_functions_stay_short() -> None:
    long = []
    for path in FILES:
        text = path.read_text()
        if (lines := text.count("\n")) > 400:
            long.append(f"{path.relative_to(ROOT)} {lines}")
        long += [
            f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= 60
        ]
    assert long == []


# doors: what stands behind one is slow to load, and most commands do not need it
DOORS = {
    "engine/pipeline.py:diff",
    "engine/pipeline.py:survey",
    "engine/pipeline.py:plan",
    "engine/pipeline.py:run",
    "engine/cli/findings.py:write_findings",
    "engine/cli/progress.py:watcher",
    "engine/language/files.py:git_cache",
    "engine/language/files.py:_content",
    "engine/language/check.py:check_layer",
    "engine/language/check.py:check_complete",
    "engine/language/check.py:_program",
    "engine/language/resolve.py:recipe",
    "engine/language/suggest.py:nearest",
    "engine/language/rules/datasets.py:filters_compile",
    "engine/clips/looker.py:_look",
    "engine/stages/survey/memo.py:look_again",
    "engine/sources/tables.py:_parquet_rows",
    "engine/sources/remote.py:_storage",
}


def test_nothing_but_the_doors_is_imported_inside_a_function() -> None:
    late = [f"{path.relative_to(ROOT)}:{node.name}" for path in FILES
            for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)
            and any(isinstance(inner, ast.Import | ast.ImportFrom) for inner in ast.walk(node))]  # fmt: skip
    assert set(late) == DOORS


def test_recipes_are_data() -> None:
    """Nothing that reads a recipe can run what stands in one; processes are started in three places."""
    running = {"eval", "exec", "compile", "__import__", "import_module"}
    starters, calls = set(), set()
    for path in FILES:
        where = str(path.relative_to(ROOT / "engine"))
        starters |= {
            where for name in imports(path) if name in {"subprocess", "multiprocessing", "os.system"}
        }
        if home(path) in {"language", "words", "plan", "sharing", "authoring", "importing", "pipeline"}:
            calls |= {f"{where}: {node.func.id}" for node in ast.walk(ast.parse(path.read_text()))
                      if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in running}  # fmt: skip
    assert calls == set()
    assert starters == {"language/git.py", "execute/runner.py", "clips/looker.py"}


def test_validate_and_plan_never_load_torch() -> None:
    code = (
        "import sys; from pathlib import Path; from engine import pipeline\n"
        "recipe = Path('recipes/examples/micro-cartoon.yaml')\n"
        "pipeline.validate(recipe); pipeline.plan(recipe, (), Path('nowhere'))\n"
        f"print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


SETS = ["--set", "--set-json", "--unset"]


def test_the_command_line_is_what_it_was() -> None:
    group = typer.main.get_command(program(""))
    options = {name: {option for parameter in command.params for option in parameter.opts if option != "--help"}
               for name, command in group.commands.items()}  # fmt: skip
    assert options == {verb: set(names) for verb, names in OPTIONS.items()}


OPTIONS = {
    "validate": ["--allow-file", "--format", *SETS, "--strict", "recipe"],
    "plan": ["--allow-file", "--format", *SETS, "--store", "--strict", "--until", "recipe"],
    "resolve": ["--allow-file", "--format", *SETS, "--show-origin", "recipe"],
    "why": ["--allow-file", "--format", *SETS, "recipe", "word"],
    "diff": ["--allow-file", "--format", "new", "old"],
    "lock": ["--allow-file", "--check", "--store", "--upgrade", "names", "recipe"],
    "vendor": ["--allow-file", "--output", "-o", "--store", "recipe"],
    "card": ["--allow-file", "--output", "-o", "--store", "recipe"],
    "verify": ["card"],
    "init": ["--captions", "--data", "--hardware", "--model", "--prompt", "--title", "--yes", "out"],
    "list": ["--kind"],
    "show": ["--resolved", "name"],
    "copy": ["--flat", "name", "out"],
    "doc": ["word"],
    "explain": ["code"],
    "schema": ["--path", "which"],
    "fmt": ["--check", "files"],
    "migrate": ["--check", "--write", "files"],
    "import": ["--allow-unmapped", "--arguments", "--data", "--output", "-o", "file", "tool"],
    "survey": ["--allow-file", "--format", "--output", *SETS, "--store", "--trust", "recipe"],
    "run": [
        "--allow-file",
        "--frozen",
        "--locked",
        "--output",
        *SETS,
        "--store",
        "--strict",
        "--trust",
        "--until",
        "recipe",
    ],
}
