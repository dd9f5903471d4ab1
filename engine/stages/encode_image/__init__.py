"""Turn the frames that a denoiser is shown into tokens of CLIP."""
