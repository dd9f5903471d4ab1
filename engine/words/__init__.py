"""The vocabulary: every word that a recipe may use, as strict pydantic models, one module a section.

The models are the only source of the words. The JSON Schemas in ``schemas/`` and the reference in ``docs/``
are generated from them. No default stands here: defaults are recipe text, in ``recipes/base/wan.yaml``.
"""
