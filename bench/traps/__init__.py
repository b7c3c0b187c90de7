"""Wrong answers that tools have been known to give without a word, tried again on the versions that are installed."""
