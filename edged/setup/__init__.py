"""`edged setup`: `interview.py` asks, `cameras.py` and `trying.py` look, `settings_file.py` writes, `service.py` starts."""
