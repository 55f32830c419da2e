"""Figures over HTTP: `/metrics` for Prometheus and `/health`, for a camera's daemon and for an actuator.

`table.py` lists every figure. `figures.py` counts, on whatever thread something happens, and knows no library.
`exposition.py` writes Prometheus' text. `http_server.py` answers, on one thread of its own, within bounds whatever comes.
`camera.py` and `actuator.py` say what is counted.
"""
