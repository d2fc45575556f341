"""What may be a name; and two-word names for runs, such as brisk-otter: easy to say, to type and to tell apart."""

from __future__ import annotations

from typing import TypeGuard
from zlib import crc32

LONGEST_NAME = 200  # characters

_ADJECTIVES = """
    able agile airy alert amber ample apt aqua arctic artful ashen astute avid azure balmy basic
    bold bonny brave breezy bright brisk bronze bubbly calm candid careful casual cheery chief
    chilly chipper civic civil clean clear clever cloudy coastal cobalt comic cool copper cosmic
    cozy crafty creamy crimson crisp cubic curious curly cyan dainty dapper daring dashing deep deft
    dewy direct dreamy driven dry dusky dusty eager early earnest easy elated elder epic even exact
    fabled fair famous fancy fast fearless festive fine firm first fleet floral fluffy flying focal
    fond frank free fresh friendly frosty full funny fuzzy gallant genial gentle gifted giant glad
    gleaming global glossy golden good graceful grand grassy great green happy hardy hasty hearty
    helpful hidden honest humble hushed icy ideal indigo inner iron ivory jade jaunty jazzy jolly
    jovial joyful just keen kind large lasting lavish leafy lean level light lilac limber lively
    local lofty loyal lucid lucky lunar major marble mellow merry mighty mild minty misty modern
    modest mossy neat nifty nimble noble novel oaken open orange outer pastel patient peachy pearly
    peppy perky placid plucky polar polite prime prompt proper proud pure quick quiet radiant rapid
    rare ready regal roaming robust rosy round royal ruby rugged rural rustic sage salty sandy sharp
    shiny silent silver simple sleek smart smooth snappy snowy snug sober soft solar solid sonic
    sound spry stable starry steady stellar still stoic stout sturdy subtle sunny super sure swift
    tall tame tender tidy timely tiny tranquil trim true trusty upbeat urban valiant vast velvet
    verdant vital vivid warm wavy wide windy winged wise witty woven young zesty
"""

_NOUNS = """
    acorn adder agate alder almond alpaca anchor antler apple apricot arbor archer aspen aster atlas
    auk aurora badger bamboo barley basil basin bay beacon birch bison bloom bluff bobcat bonsai
    boulder bramble branch breeze brook buck buffalo bunny burrow cabin cactus camel candle canoe
    canyon caribou carp cedar cello cheetah cherry cicada citrus clam cliff cloud clover cobra cocoa
    comet condor coral cosmos cove coyote crab crane crater creek cricket crow crystal cypress
    dahlia daisy dawn deer delta dingo dolphin dove dragon drum duck dune eagle echo egret elk elm
    ember falcon fawn feather fern ferret fig finch fir fjord flame flint forest fossil fox frog
    galaxy garnet gazelle gecko geyser gibbon ginger glacier glade goose gorge granite grape grotto
    grouse grove gull hamlet harbor hare harp hawk hazel heath hedge heron hickory hill holly
    horizon hornet ibex ibis iguana impala inlet iris island ivy jackal jaguar jasmine jay juniper
    kayak kelp kestrel kiwi koala lagoon lake lantern larch lark laurel lavender leaf lemon lemur
    lentil leopard lichen lily lime linden lion lizard llama lobster lotus lynx magnet magpie mango
    maple marmot marten meadow melon merlin mesa meteor mink mint moon moose moss moth mountain
    myrtle narwhal nebula nectar newt nutmeg oak oasis ocean ocelot olive onyx opal orchard orchid
    oriole osprey otter owl oyster panda panther papaya parrot peach peak pearl pebble pelican
    penguin pepper petal pine planet plover plum pond poplar poppy prairie puffin puma quail quartz
    quince rabbit raccoon raven reed reef ridge river robin rook rose saffron salmon sapling seal
    sequoia shell shrew sparrow spruce squid squirrel star stork stream summit sunset swallow swan
    tapir teal tern thistle thrush thyme tiger topaz toucan trout tulip tundra turtle valley violet
    viper vole walnut walrus weasel whale willow wolf wombat wren yak zebra zephyr
"""

ADJECTIVES = tuple(_ADJECTIVES.split())
NOUNS = tuple(_NOUNS.split())


def is_name(value: object) -> TypeGuard[str]:
    """Whether it can be what a process, stage, substage or decision is called."""
    return isinstance(value, str) and bool(value.strip()) and len(value) <= LONGEST_NAME and value.isprintable()


def name_for(seed: bytes | str) -> str:
    """The name that belongs to a seed, one of about 79,000; the same seed gives the same name.

    Example:
        >>> name_for("run 1") == name_for(b"run 1") != name_for("run 2")
        True
    """
    raw = seed.encode("utf-8", "surrogatepass") if isinstance(seed, str) else seed
    noun, adjective = divmod(crc32(raw) % (len(ADJECTIVES) * len(NOUNS)), len(ADJECTIVES))
    return f"{ADJECTIVES[adjective]}-{NOUNS[noun]}"
