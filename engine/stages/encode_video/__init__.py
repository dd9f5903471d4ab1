"""Turn each clip into latents, once, so that training needs no video codec."""
