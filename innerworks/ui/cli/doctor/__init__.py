"""`innerworks doctor`: what is installed, where it runs, and whether it does what it says."""

from innerworks.ui.cli.doctor.examination import examine

__all__ = ["examine"]
