"""The command line: parses words, prints results, decides nothing."""

import gc

# loading the program makes thousands of classes and no garbage; looking for it costs a tenth of `recipe validate`
gc.disable()
