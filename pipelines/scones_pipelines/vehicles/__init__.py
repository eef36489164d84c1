"""Retrain the classifier of vehicle photos: the steps of the state machine `retrain`."""
