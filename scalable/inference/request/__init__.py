"""From raw rows, a dict, JSON or a frame, to the answer of a model, its encoder included, in microseconds.

`times` and `cells` bring a value to the column's type, `layout` turns an encoder into a program, `packing` fills a
packed row, `answers` calls the model. `arrow_frames` and `pandas_frames` find where a frame's columns lie,
`frame_answers` and `linear_frames` encode them all and call the model.
"""
