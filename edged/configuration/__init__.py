"""Settings on their way from people to `settings.py`, and back: `loading` (file, variables, command line, with every
problem said), `words` (plain reasons), `text` (the example file, the effective values), `reference` (the manual page).
"""
