"""The service's own keys, and what is made with them: access tokens and refresh tokens."""
