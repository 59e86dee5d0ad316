"""Embedded data: simulated stand-ins, written in the layouts of the real data sets."""
