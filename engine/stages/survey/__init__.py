"""Find out which clips can be used, at which size, and with which words."""
