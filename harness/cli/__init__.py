"""The command line. On top of every other room; nothing imports it."""
