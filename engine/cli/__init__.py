"""The command line: parses words, prints results, decides nothing."""

import gc
import os

# loading the program makes thousands of classes and no garbage; looking for it costs a tenth of `recipe validate`
gc.disable()

# pydantic would look through every installed package for plugins, and let them take part in reading a recipe
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")
