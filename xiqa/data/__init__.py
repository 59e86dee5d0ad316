"""Readers: a folder on disk becomes checked records."""

from xiqa.data.bad_input import BadInput, Problem

__all__ = ["BadInput", "Problem"]
