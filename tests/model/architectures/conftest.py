"""Its presence puts this folder on the path, so that its tests can import what lies beside them."""
