"""The methods that the paper compares itself with, and three that readers ask for first: one file each.

A file holds the method's maths as small public functions, its settings, the grid that it is tuned by, and one
`dbb.methods.method.Method` named METHOD, by which `dbb.methods.registry` finds it. There it declares which group labels
it sees, and `dbb.methods.given.Given` hands it no more.
"""
