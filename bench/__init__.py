"""Side-by-side benchmarks. `python -m bench` measures; `bench/RESULTS.md` is what it wrote."""
