"""From steps to artifacts: the store, the events, the process that runs a stage, and the order of it all."""
