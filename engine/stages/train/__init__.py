"""Train the adapter."""
