"""Recipes that train Wan video LoRAs. Read ``pipeline.py`` first, then the list in ``stages/__init__.py``."""

VERSION = "0.1.0"
