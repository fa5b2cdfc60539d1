"""The roadmap's questions, each answered by a program that measures, a figure and a few sentences its numbers carry."""
