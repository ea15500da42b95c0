"""Checkers for anyone who writes an operation; each raises AssertionError with what it found."""

from striate.testing.adjoint import check_adjoint
from striate.testing.gradient import check_gradient
from striate.testing.terms import check_terms

__all__ = ["check_adjoint", "check_gradient", "check_terms"]
