"""The commands of ``python -m engine``, one function each; engine.__main__ lists them."""
