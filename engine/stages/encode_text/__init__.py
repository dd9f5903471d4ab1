"""Turn each text into embeddings, once, so that training needs no text encoder."""
