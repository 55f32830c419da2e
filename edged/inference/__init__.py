"""The inference process: from the newest frame to one observation.

`pipeline.py` is the graph. One file per stage (`face_detection`, `face_mesh`, `eyes`, `head_pose`, `gaze`), one per back
end (`litert_faces`, `mediapipe_faces`, both behind `finder.py`); `tracking`, `motion` and `eye_watch` decide who is asked
when, `pacing` how often. `process.py` is the child.
"""
