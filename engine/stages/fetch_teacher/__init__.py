"""Bring the weights of the teacher of CREPA into the store."""
