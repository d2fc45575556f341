"""Named data sets of a program: files in CSV, Parquet and JSON, or tables of a database, loaded and saved by name."""

from __future__ import annotations

from milepost.datasets.manager import DataManager, make_data_manager
from milepost.datasets.request import DataSet

__all__ = ["DataManager", "DataSet", "make_data_manager"]
