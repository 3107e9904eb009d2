"""Graphs as pictures: boxes and arrows with the numbers of a recorded computation, on paper, on a screen, as text.

A `sketch` says what is drawn, in words and numbers; `layout` says where; `ink` makes shapes of both; `svg` and `png`
print those. `live` sketches a recorded graph; `summary` and `modules` make few boxes of many nodes.
"""
