"""The dock widgets: layers to arrays and back, one file per widget."""
