"""Classify photos of skin lesions (HAM10000)."""
