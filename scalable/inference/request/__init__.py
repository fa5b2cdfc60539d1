"""From one raw row, a dict or JSON, to the answer of a model, its encoder included, in microseconds.

`times` and `cells` bring a value to the column's type, `layout` turns an encoder into a program, `packing` fills a
packed row, `answers` calls the model.
"""
