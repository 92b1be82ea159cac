"""Files: atomic writes and locks; and the clock."""
