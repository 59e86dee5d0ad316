"""Readers: a folder on disk becomes checked records."""

from xiqa.errors import BadInput, Problem

__all__ = ["BadInput", "Problem"]
