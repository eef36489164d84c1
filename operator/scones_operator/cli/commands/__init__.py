"""One module for each thing that an operator sees to; its functions are the commands."""
