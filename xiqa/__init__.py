"""xiqa: explainable and uncertainty-aware quality analysis of medical images, as a reproducible paper.

Importing the package is cheap: no module is loaded until it is asked for.
"""

__version__ = "0.1.0"
