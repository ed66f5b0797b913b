"""The programs that run: accounts (write), projector, directory (read), relay, and what they stand on."""
