"""``python -m engine.cli``: the same as ``recipe``."""

from engine.cli.main import main

main()
