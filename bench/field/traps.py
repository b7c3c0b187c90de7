def tried(make): return {}
