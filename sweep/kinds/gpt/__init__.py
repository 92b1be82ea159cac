"""The character GPT as a kind of model: its cost, params, run, metrics and display."""
