"""One writer for each bundled sample: rows for training and rows held out. `make.py` removes
near-duplicates.
"""
