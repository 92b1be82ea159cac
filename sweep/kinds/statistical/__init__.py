"""The statistical model as a kind of model: its cost, simulation, theory and display."""
