"""The drawn CelebA: portraits whose class is the colour of the hair."""
