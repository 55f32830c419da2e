"""Child processes: `table.py` lists them, `supervisor.py` watches, `spawning.py` starts, `child.py` is what runs in
the child before its own work begins.
"""
