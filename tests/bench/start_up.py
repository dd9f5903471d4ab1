"""How quickly the program answers, beside the floor: a process that imports what every command needs and does nothing.

    python tests/bench/start_up.py STORE

STORE is a store in which recipes/examples/micro-cartoon.yaml has been run, so that plan and run have nothing to do.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from engine.language.resolve import resolve
from engine.language.write import to_yaml

ROOT = Path(__file__).resolve().parents[2]
RECIPE = "recipes/examples/micro-cartoon.yaml"
FLOOR = "import yaml, typer"
LINES = 300


def seconds(*command: str) -> float:
    """Return the time of one run as a whole process."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def long_recipe(folder: Path) -> str:
    """Write a recipe of 300 lines that says every word and extends three layers; returns its path."""
    made = resolve(ROOT / RECIPE)
    text = to_yaml(made.values)
    prompts = LINES - text.count("\n") - 4
    values = made.values | {"sample": made.values["sample"] | {
        "prompts": made.values["sample"]["prompts"] | {f"p{number}": f"A long prompt, number {number}, about a quiet cat."
                                                       for number in range(prompts)}}}  # fmt: skip
    header = "apiVersion: wan-recipe/v1\nkind: recipe\nextends: [builtin:flavours/wan2.1-t2v-micro, builtin:hardware/cpu]\n\n"
    path = folder / "long.yaml"
    path.write_text(header + to_yaml(values))
    print(f"the long recipe has {path.read_text().count(chr(10))} lines and four layers")
    return str(path)


def main(store: str) -> None:
    """Time each command several times, in turn, and print medians and their ratio to the floor."""
    with tempfile.TemporaryDirectory() as folder:
        recipe = ("-m", "engine.cli")
        commands = {
            "floor": ("-c", FLOOR),
            "validate": (*recipe, "validate", RECIPE),
            "validate 300 lines": (*recipe, "validate", long_recipe(Path(folder))),
            "plan": (*recipe, "plan", RECIPE, "--store", store),
            "run with nothing to do": (*recipe, "run", RECIPE, "--store", store, "--output", f"{store}/out"),
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(9):
            for name, command in commands.items():
                times[name].append(seconds(*command))
    floor = statistics.median(times["floor"])
    for name, took in times.items():
        middle, ratio = statistics.median(took), statistics.median(took) / floor
        print(f"{name:<24} {middle:.3f} s  ({min(took):.3f} to {max(took):.3f})  {ratio:.2f} × floor")


if __name__ == "__main__":
    main(sys.argv[1])
