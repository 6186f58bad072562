"""The command line. Imports the other rooms; no room imports this one."""
