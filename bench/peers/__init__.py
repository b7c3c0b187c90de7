"""One file for each tool that is measured, and beside it the versions its environment is made of."""
