"""One camera's daemon: `daemon.py` (signals, one life after another) and `life.py` (one life, on one thread).

`reporter` turns observations into what is published, `requests` answers commands, `vitals` are the figures and
`health` judges them (pure), `board` reads temperature and memory.
"""
