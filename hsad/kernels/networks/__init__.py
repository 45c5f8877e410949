"""Networks in torch as plain functions of images and weights: their first weights, their outputs, their training.

Weights are dictionaries of named tensors, so trained weights are a dictionary of named arrays.
"""
