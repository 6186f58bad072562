"""A network as a folder that needs no PruneBench: weights, plain Python, facts, and ONNX on request.

May import study and the rooms below it.
"""
