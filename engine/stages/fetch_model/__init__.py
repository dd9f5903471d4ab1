"""Bring the weights of the model into the store."""
