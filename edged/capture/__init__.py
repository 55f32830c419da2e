"""Picture sources: one file per library, all of the same shape (`source.py`)."""

import os

# Read by OpenCV when its library is loaded, which every file here does later than this. A camera that sends nothing
# would otherwise hold a read for ten seconds, and OpenCV would print what our errors say better.
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "1")
os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "8")
# Cameras with "smart" codecs send a whole picture every ten seconds only; OpenCV's patience ends after 64 others.
os.environ.setdefault("OPENCV_FFMPEG_DECODE_ATTEMPTS", "1024")
