"""The way of a large file: parts from Telegram into the spool, and a growing prefix of it on to the store."""
