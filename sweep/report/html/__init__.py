"""The HTML page of a sweep: its charts, tables and templates."""
