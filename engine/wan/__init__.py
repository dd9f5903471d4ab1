"""What is particular to Wan: building and loading its parts, text, video latents, sampling, key names."""
