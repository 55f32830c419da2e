"""Picture sources: one file per library, all of the same shape (`source.py`)."""
