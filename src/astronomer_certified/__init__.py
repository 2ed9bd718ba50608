"""The factory of Astronomer Certified: from upstream Airflow to certified, served, proven wheels.

The file list is the data flow; `artifacts` holds the records that cross stage borders and is the place to start.
"""
