"""Its presence puts this folder on the path, so that every test can import `families`."""

import os

# The models here are tiny: a second thread costs more than it does, and many times more where it spins on a busy core.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
