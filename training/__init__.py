"""How the artifacts in ``exported/`` are made; never imported by the plugin."""
