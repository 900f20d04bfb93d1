"""How often the study runs what."""

SEEDS = (1, 2, 3, 4, 5)  # the book's own run has seed 0
MORE_SEEDS = SEEDS[:3]  # these also run `dbb.study.arms.MORE_ARMS`
CLOSE_SEED = SEEDS[0]  # this one also measures what one seed suffices for
CHOICE_SEED = 0  # on its validation split every setting was chosen
