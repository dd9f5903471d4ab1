"""Take one small step of the training that is asked for, before anything that takes long."""
