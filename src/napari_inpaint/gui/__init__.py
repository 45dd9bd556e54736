"""napari: layers to arrays and back, widgets, and the worker thread."""
