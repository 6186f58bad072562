"""Runs a grid: reads options, trains and prunes networks stage by stage, writes records to the store."""
