"""SageMaker pipelines: one folder per problem, and the commands that define and run them."""
