"""Networks as plain functions of images and weights, in torch: how they start, what they compute, how they learn.

Weights are dictionaries of named tensors, so that what was learned is a dictionary of named arrays.
"""
