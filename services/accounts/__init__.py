"""The write side: commands are decided and become events. The domain (user, events, decide) is pure."""
