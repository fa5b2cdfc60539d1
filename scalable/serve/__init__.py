"""Models over HTTP: the Open Inference Protocol, plain JSON rows, Arrow; and an open-loop generator of load."""
