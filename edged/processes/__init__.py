"""Child processes: `supervisor.py` holds the process table and watches, `spawning.py` starts, `child.py` is what runs in
the child before its own work begins.
"""
