"""From text to a resolved recipe: YAML nodes with spans, layers, merging, checking, rules, diagnostics."""
