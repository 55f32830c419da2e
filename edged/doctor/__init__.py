"""`edged doctor`: `examination.py` asks, `probes.py` tries camera and network in processes of their own."""
