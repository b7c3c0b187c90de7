"""What single units are active on: the tokens of a corpus on which each is highest, and tokens of its whole range."""
