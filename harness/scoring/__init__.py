"""Evidence gathered from a network, and scores computed from the evidence. Imports plugins and curvature."""
