"""Settings from afar, judged: `payload` (bytes to a patch), `patch` (RFC 7396), `verdict` (accepted, or everything that is
wrong), `probation` (did the pipeline bear it). Pure: no I/O, no clock.
"""
