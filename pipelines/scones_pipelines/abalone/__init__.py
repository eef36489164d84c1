"""Predict the age of abalones from measurements: scikit-learn and the built-in XGBoost."""
