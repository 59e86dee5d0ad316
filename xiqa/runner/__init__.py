"""Execution of the jobs and notebooks of the paper, and the record of it; imports no science and no torch."""
