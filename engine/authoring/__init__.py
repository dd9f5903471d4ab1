"""Living with recipes: form them, bring them to the current version, look words up, copy, and begin."""
