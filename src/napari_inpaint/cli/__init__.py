"""The command ``napari-inpaint``."""
