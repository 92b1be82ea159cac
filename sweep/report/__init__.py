"""Reports from the store: tables, figures, pages, comparisons and views for the MLflow UI."""
