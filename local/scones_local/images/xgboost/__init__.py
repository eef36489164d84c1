"""Trainer and server with the contract of SageMaker's built-in XGBoost algorithm.

It runs in the environment ``.venv/pipelines``, which has the package ``xgboost``; the versions of
that package decide, not the version in the image's tag. Supported are CSV channels without a
header and with the label in the first column. The contract:
https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost.html and the sources of AWS's container,
https://github.com/aws/sagemaker-xgboost-container.
"""
