"""One file a verb: its options, and how its result is printed. A file is loaded when its verb is asked for."""
