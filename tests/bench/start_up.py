"""How quickly the program answers, beside the floor: importing the libraries that any such program loads.

    python tests/bench/start_up.py STORE

STORE is a store in which recipes/examples/micro-cartoon.yaml has been run, so that plan and run have nothing to do.
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RECIPE = "recipes/examples/micro-cartoon.yaml"
FLOOR = "import pydantic.main, jsonschema, yaml, typer, blake3"


def seconds(*command: str) -> float:
    """Return the time of one run as a whole process."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main(store: str) -> None:
    """Time each command several times, in turn, and print medians and their ratio to the floor."""
    commands = {
        "floor": ("-c", FLOOR),
        "validate": ("-m", "engine.cli", "validate", RECIPE),
        "plan": ("-m", "engine.cli", "plan", RECIPE, "--store", store),
        "run with nothing to do": (
            "-m",
            "engine.cli",
            "run",
            RECIPE,
            "--store",
            store,
            "--output",
            f"{store}/out",
        ),
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(9):
        for name, command in commands.items():
            times[name].append(seconds(*command))
    floor = statistics.median(times["floor"])
    for name, took in times.items():
        middle = statistics.median(took)
        print(
            f"{name:<24} {middle:.3f} s  ({min(took):.3f} to {max(took):.3f})  {middle / floor:.2f} × floor"
        )


if __name__ == "__main__":
    main(sys.argv[1])
