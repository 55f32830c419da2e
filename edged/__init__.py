"""edged: a camera becomes a private sensor that speaks MQTT.

`ls` draws the data flow: `capture/` fills the frame slot (`frames.py`), `inference/` reads it
and emits observations (`observations.py`), `judgement/` turns those into events (`events.py`) and states (`states.py`),
`bus/` publishes them on the topics of `topics.py`. `daemon/` holds one camera together, `processes/` starts and
watches its children. `cli/` is what people type; `demo/`, `doctor/` and `bench/` are what some of that needs.
"""

__version__ = "0.1.0"
