"""The roof: the command line and the embedded servers; imported by nobody."""
