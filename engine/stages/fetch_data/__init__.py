"""Draw or fetch a set of clips with captions; torch-free.

``pen`` holds the ink, ``scenes`` the backdrops, ``figures`` the cast, and ``cartoon`` puts
them together, writes the captions and makes it all look like old film.
"""
