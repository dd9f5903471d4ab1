"""From a resolved recipe and what the store holds to an ordered list of steps, each with its reason."""
