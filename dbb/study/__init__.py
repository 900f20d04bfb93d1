"""The study: the method's effect over several seeds, its ablations, and the controls that would expose a false one."""
