"""Words that the published code of compared methods paints by, as data.

Birds and places are those of FFR's prompts for SpuCo's birds (mqraitem/From-Fake-to-Real at cd4d153), with the spaces
that its list has lost; concepts are those of DISC's bank (Wuyxin/DISC at d9865a8), each prompt the concept's name.
"""

import re

from dbb.benchmarks.entry import Words

LANDBIRDS = tuple(
    re.split(
        r",\s+",
        """rooster, hen, ostrich, brambling, goldfinch, house finch, junco, indigo bunting, American robin, bulbul, jay,
    magpie, chickadee, American dipper, kite (bird of prey), bald eagle, vulture, great grey owl, black grouse,
    ptarmigan, ruffed grouse, prairie grouse, peafowl, quail, partridge, african grey parrot, macaw,
    sulphur-crested cockatoo, lorikeet, coucal, bee eater, hornbill, hummingbird, jacamar, toucan""",
    )
)
WATERBIRDS = tuple(
    re.split(
        r",\s+",
        """duck, red-breasted merganser, goose, black swan, white stork, black stork, spoonbill, flamingo,
    little blue heron, great egret, bittern bird, crane bird, limpkin, common gallinule, American coot, bustard,
    ruddy turnstone, dunlin, common redshank, dowitcher, oystercatcher, pelican, king penguin, albatross""",
    )
)
LAND = tuple(
    """dirt grass rock sand soil mud gravel asphalt concrete pavement brick wood leaves snow ice clay dust cement metal
    tile""".split()
)
WATER = tuple("water lake river pond sea ocean pool fountain stream waterfall".split())

NATURE = tuple(
    """bamboo beach bridge bush canopy earth field flower flowerpot fluorescent forest grass ground harbor hill lake
    mountain muzzle palm path plant river sand sea snow tree water""".split()
)
CITY = tuple("awning base bench building earth fence field ground house manhole path snow street".split())
COLOUR = tuple("blackness blueness greenness redness whiteness".split())
TEXTURE = (
    "polka dots",
    *"""concrete granite leather laminate metal blotchy blurriness stripes knitted cracked frilly waffled scaly lacelike
    grooved stratified gauzy marbled flecked stained braided matted meshed cobwebbed spiralled dotted crosshatched
    wrinkled woven potholed crystalline paisley veined fibrous studded bubbly pleated grid perforated porous interlaced
    smeared honeycombed sprinkled chequered lined banded bumpy zigzagged swirly pitted freckled""".split(),
)
HOUSEHOLD = (
    *("air conditioner", "back pillow", "chest of drawers", "dining room", "door frame", "double door"),
    *("drinking glass", "exhaust hood", "handle bar"),
    *"""apron armchair balcony bannister bathroom bathtub bed bedclothes bedroom cabinet carpet ceiling chair chandelier
    countertop curtain cushion desk door drawer figurine fireplace floor flower flowerpot fluorescent ground handle
    headboard headlight house jar lamp light microwave mirror ottoman oven pillow plate refrigerator sofa stairs
    toilet""".split(),
)
BODY = (
    *("female face", "male face", "inside arm", "outside arm"),
    *"arm back body ear eye eyebrow leg foot hair hand head knob mouth neck nose".split(),
)
OTHERS = (
    *BODY,
    *"bird cat cow dog horse mouse paw".split(),
    *("chain wheel", "coffee table"),
    *"""ashcan airplane bag bus beak bicycle blind board book bookcase bottle bowl box brick basket bucket bumper can
    candlestick cap car cardboard ceramic chimney clock coach column computer counter cup desk engine fabric fan faucet
    flag floor food footboard frame glass keyboard lid loudspeaker minibike motorbike napkin pack painted painting pane
    paper pedestal person pillar pipe""".split(),
)

BIRD_WORDS = Words(
    (LANDBIRDS, WATERBIRDS),
    (LAND, WATER),
    "a photo of {0} in {1}",
    {"colour": COLOUR, "texture": TEXTURE, "nature": NATURE},
)
HAIR_WORDS = Words(
    (("black hair", "brown hair", "grey hair"), ("blond hair",)),
    (("female",), ("male",)),
    "a headshot of {1} celebrity with {0}",
    {"body": BODY, "colour": COLOUR, "texture": TEXTURE},
)
"""After FFR's prompts for CelebA, whose class is a smile; nobody published concepts for it: these are ours."""

PET_WORDS = Words(
    (("cat",), ("dog",)),
    (("on a sofa",), ("on a bed",), ("on a bench",), ("by a bike",), ("on a shelf",)),
    "a photo of a {0} {1}",
    {"nature": NATURE, "city": CITY, "colour": COLOUR, "texture": TEXTURE, "household": HOUSEHOLD, "others": OTHERS},
)
"""The sentence is ours: FFR has none for it."""
