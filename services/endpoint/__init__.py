"""The door: NATS messages in, understood requests out; every request gets an answer."""
