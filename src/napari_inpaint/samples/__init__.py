"""Pictures to try a fill on."""
