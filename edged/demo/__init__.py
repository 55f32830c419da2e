"""The demonstration: the real daemon watches the sitter, and what it says is held against the sitter's own truth.

`stage.py` runs broker and daemon and hears them, `scoring.py` compares (pure), `screen.py` shows.
"""
