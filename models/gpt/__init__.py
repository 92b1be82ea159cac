"""A character GPT: model, data, training, text generation and evaluation, in PyTorch."""
