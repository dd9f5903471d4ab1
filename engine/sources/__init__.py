"""Where clips come from: folders, lists, tables and storage elsewhere, turned into lists of files; torch-free.

Nothing here opens a clip. What is found is a list of candidates; what becomes of each is decided by whoever looks at it.
"""
