"""What is shared besides a recipe: the lock that holds what it stands on, and copies that need no network."""
