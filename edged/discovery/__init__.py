"""What Home Assistant is told so that it sets a camera up by itself: `entities` (what there is to see), `controls` (what
there is to set, from the settings table), `payload` (the messages). Pure: no I/O, no clock.

https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery
"""
