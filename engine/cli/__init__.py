"""The command line: parses words, prints results, decides nothing."""
