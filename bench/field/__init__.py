"""innerworks beside its peers: the same weights, the same input, the same process as a plain Hugging Face forward.

`python -m bench.field` makes an environment for each peer, measures in it, and writes the tables of RESULTS.md.
"""
