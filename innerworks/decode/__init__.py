"""What representations hold: read in words, probed, steered, taken apart into features."""
