"""What `denizen doctor` looks at: files, PostgreSQL, the log, NATS, and whether each service lives and keeps up."""
