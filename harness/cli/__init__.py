"""The commands. No room imports this one."""
