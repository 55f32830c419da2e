"""MQTT: what the world hears from one camera, and what it may ask of it.

::

    bus.Bus            one camera's branch of the topic table   actuator_bus.ActuatorBus   one actuator's
    speaker            what the two have in common, on a thread of its own
    ├── delivery       what goes out next: replies, latest values, events from the outbox (no network)
    ├── outbox         events wait here until the broker has acknowledged them
    ├── commands       what came in: a request, a refusal or a repetition (no network)
    └── connection     the thread: connect, serve, back off, for ever
        └── paho_link  one connection over paho; the only file that imports it (beside it: tls, credentials, properties, leftovers, problems)
    subscriber.Subscriber        the other side, for `edged events`, `edged demo` and tests
    private_broker.PrivateBroker a mosquitto of our own on the loopback
"""
