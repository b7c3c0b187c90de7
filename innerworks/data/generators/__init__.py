"""The tasks that come with the package, a module each."""
