"""Reading, measuring and writing video and image files; torch-free.

Dimensions, used as suffixes of array names in this package:

    F  frames           C  colour channels, always red, green, blue
    H, W  height and width in pixels
"""
