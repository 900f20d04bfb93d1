"""The stages of the method, a file each: the maths, and one function that makes or loads the stage."""
