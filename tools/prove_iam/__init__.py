"""Prove that every statement of every role and managed policy is needed."""
