"""Evidence: a few encrypted pictures around an event, in one file of their own (`container`, by the keys of `sealing`), all of
a camera's in one folder (`album`), and copies of them elsewhere (`upload`).
"""
