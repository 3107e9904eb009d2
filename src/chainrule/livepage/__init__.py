"""The live page: one file of HTML in which every number of a computation can be moved, and all else follows.

A `subject` is what the page is about. `passes` prints its forward, its backward and wrong backward passes in
JavaScript, `descent` the optimizers, `hints` the known mistakes; `graph` draws it, `story` tells its derivations, and
`exports` says what can be taken along. `page` puts these and the modules of `assets` into one file.
"""
