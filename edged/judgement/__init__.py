"""From observations to events: pure functions of settings, state and observation. No clock, no I/O, no randomness.

`judge.py` is the door; one file per question: `presence`, `primary`, `blink`, `gaze`, `drowsiness`, `summary`.
"""
