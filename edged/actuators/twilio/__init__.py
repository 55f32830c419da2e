"""Short messages, calls and WhatsApp messages through Twilio: one sending each, or a chain of them until somebody answers."""
