"""A GPT trained on real text and then on its own text, generation by generation."""
