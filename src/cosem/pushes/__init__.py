"""What meters push: values with names, by what a push says itself and by layouts that are data files."""
