"""Steps with needs, inputs and receipts -> all of them up to date. Knows nothing of Airflow."""
