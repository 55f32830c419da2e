"""The inference process: from the newest frame to one observation.

`pipeline.py` is the graph. One file per stage (`face_detection`, `face_mesh`, `eyes`, `head_pose`, `gaze`), one per
runtime (`litert`, `mediapipe_backend`), `tracking` and `motion` decide who is asked when, `process.py` is the child.
"""
