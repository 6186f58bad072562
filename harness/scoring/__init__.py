"""Gather evidence from a network and compute scores from the evidence. Imports plugins and curvature."""
