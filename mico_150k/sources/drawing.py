"""Draws things, people and scenes for the demo source.

A drawing function gets a `Pen`, whose coordinates run from 0 to 100 over the image, x to the
right and y down, whatever its size in pixels. Everything is drawn at `OVERSAMPLING` times its
size and scaled down, for smooth edges.
"""

from collections.abc import Callable
from functools import cache

from PIL import Image, ImageDraw

OVERSAMPLING = 3
THING_SIDE = 384
SCENE_SIDES = (768, 576)
PAPER = (244, 241, 234)
"""The plain background of an image of a single thing."""

Colour = tuple[int, int, int]
Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""
Draw = Callable[["Pen"], None]

INK: Colour = (52, 44, 54)
RED: Colour = (206, 62, 56)
ORANGE: Colour = (232, 134, 50)
YELLOW: Colour = (240, 196, 70)
GREEN: Colour = (86, 148, 84)
TEAL: Colour = (52, 138, 140)
BLUE: Colour = (64, 104, 178)
PURPLE: Colour = (132, 86, 158)
PINK: Colour = (226, 130, 150)
WHITE: Colour = (250, 248, 244)
BROWN: Colour = (132, 90, 58)
GREY: Colour = (120, 122, 130)


class Pen:
    """Draws on an image in percent of its sides."""

    def __init__(self, image: Image.Image) -> None:
        """Draw on `image` in place."""
        self._draw = ImageDraw.Draw(image)
        self._x, self._y = image.width / 100, image.height / 100

    def ellipse(self, box: Box, fill: Colour) -> None:
        """Draw an ellipse that fills its box."""
        self._draw.ellipse(self._box(box), fill=fill)

    def box(self, box: Box, fill: Colour, radius: float = 0) -> None:
        """Draw a rectangle with corners rounded by `radius`."""
        self._draw.rounded_rectangle(self._box(box), radius * self._x, fill=fill)

    def polygon(self, *points: tuple[float, float], fill: Colour) -> None:
        """Draw a filled polygon through the points."""
        self._draw.polygon([(x * self._x, y * self._y) for x, y in points], fill=fill)

    def line(self, *points: tuple[float, float], fill: Colour, width: float) -> None:
        """Draw a line through the points, with rounded joints."""
        scaled = [(x * self._x, y * self._y) for x, y in points]
        self._draw.line(scaled, fill=fill, width=round(width * self._x), joint="curve")
        for x, y in points:
            half = width / 2
            ratio = self._x / self._y
            self.ellipse((x - half, y - half * ratio, x + half, y + half * ratio), fill)

    def arc(self, box: Box, degrees: tuple[int, int], fill: Colour, width: float) -> None:
        """Draw a part of an ellipse's edge; degrees are clockwise from the right."""
        self._draw.arc(self._box(box), *degrees, fill=fill, width=round(width * self._x))

    def _box(self, box: Box) -> Box:
        left, top, right, bottom = box
        return left * self._x, top * self._y, right * self._x, bottom * self._y


@cache
def thing(draw: Draw) -> Image.Image:
    """Return a thing on a transparent background: RGBA, `THING_SIDE` pixels square."""
    side = THING_SIDE * OVERSAMPLING
    image = Image.new("RGBA", (side, side), (*PAPER, 0))
    draw(Pen(image))
    return image.resize((THING_SIDE, THING_SIDE), Image.Resampling.LANCZOS)


@cache
def scene(draw: Draw) -> Image.Image:
    """Return a scene: RGB, `SCENE_SIDES` pixels."""
    width, height = SCENE_SIDES
    image = Image.new("RGB", (width * OVERSAMPLING, height * OVERSAMPLING), WHITE)
    draw(Pen(image))
    return image.resize(SCENE_SIDES, Image.Resampling.LANCZOS)


def on_paper(cutout: Image.Image) -> Image.Image:
    """Return a thing on the plain background: RGB."""
    picture = Image.new("RGB", cutout.size, PAPER)
    picture.paste(cutout, mask=cutout.getchannel("A"))
    return picture


def draw_ball(pen: Pen) -> None:
    """Draw a ball with a stripe."""
    pen.ellipse((14, 14, 86, 86), RED)
    pen.box((18, 42, 82, 58), WHITE)
    pen.ellipse((28, 24, 46, 38), (232, 130, 120))


def draw_gift(pen: Pen) -> None:
    """Draw a wrapped box with a bow."""
    pen.box((16, 36, 84, 92), TEAL, 3)
    pen.box((12, 28, 88, 42), (74, 166, 166), 3)
    pen.box((44, 28, 56, 92), YELLOW)
    pen.polygon((50, 28), (26, 8), (22, 24), fill=YELLOW)
    pen.polygon((50, 28), (74, 8), (78, 24), fill=YELLOW)


def draw_mug(pen: Pen) -> None:
    """Draw a mug with its handle to the right."""
    pen.arc((58, 34, 94, 74), (0, 360), BLUE, 7)
    pen.box((16, 22, 72, 90), BLUE, 7)
    pen.ellipse((16, 14, 72, 32), (96, 136, 204))
    pen.ellipse((22, 18, 66, 29), (84, 56, 42))


def draw_lamp(pen: Pen) -> None:
    """Draw a lit table lamp."""
    pen.line((50, 50), (50, 88), fill=BROWN, width=5)
    pen.ellipse((28, 82, 72, 96), BROWN)
    pen.polygon((32, 8), (68, 8), (88, 52), (12, 52), fill=YELLOW)
    pen.polygon((32, 8), (44, 8), (34, 52), (12, 52), fill=(248, 218, 130))


def draw_plant(pen: Pen) -> None:
    """Draw a plant in a pot."""
    for tip in ((14, 22), (32, 8), (50, 4), (68, 8), (86, 22)):
        pen.line((50, 62), tip, fill=GREEN, width=9)
    pen.polygon((26, 58), (74, 58), (66, 94), (34, 94), fill=ORANGE)
    pen.box((22, 54, 78, 66), (242, 158, 84), 2)


def draw_kite(pen: Pen) -> None:
    """Draw a kite with a tail."""
    pen.polygon((50, 4), (82, 38), (50, 74), (18, 38), fill=PURPLE)
    pen.polygon((50, 4), (82, 38), (50, 38), fill=PINK)
    pen.polygon((18, 38), (50, 38), (50, 74), fill=PINK)
    pen.line((50, 74), (42, 82), (56, 88), (46, 96), fill=INK, width=2)


def draw_clock(pen: Pen) -> None:
    """Draw a round clock at ten past ten."""
    pen.ellipse((10, 10, 90, 90), INK)
    pen.ellipse((17, 17, 83, 83), WHITE)
    pen.line((50, 50), (32, 36), fill=INK, width=4)
    pen.line((50, 50), (70, 32), fill=INK, width=4)
    pen.ellipse((46, 46, 54, 54), RED)


def draw_boat(pen: Pen) -> None:
    """Draw a boat with a sail."""
    pen.line((48, 10), (48, 72), fill=BROWN, width=4)
    pen.polygon((52, 10), (84, 62), (52, 62), fill=WHITE)
    pen.polygon((44, 18), (44, 62), (20, 62), fill=RED)
    pen.polygon((8, 70), (92, 70), (76, 92), (22, 92), fill=BROWN)


def draw_hat(pen: Pen) -> None:
    """Draw a hat with a broad brim."""
    pen.ellipse((4, 58, 96, 84), (196, 150, 84))
    pen.box((28, 22, 72, 72), (214, 170, 102), 14)
    pen.box((28, 54, 72, 66), RED)


def draw_scarf(pen: Pen) -> None:
    """Draw a scarf with one end hanging."""
    pen.box((10, 20, 90, 46), GREEN, 12)
    pen.box((56, 36, 80, 92), GREEN, 4)
    for y in (52, 64, 76):
        pen.box((56, y, 80, y + 5), YELLOW)
    for x in (18, 34, 50):
        pen.box((x, 20, x + 6, 46), YELLOW)


def draw_bag(pen: Pen) -> None:
    """Draw a handbag."""
    pen.arc((30, 6, 70, 70), (180, 360), BROWN, 6)
    pen.box((12, 38, 88, 92), PINK, 8)
    pen.box((12, 38, 88, 56), (206, 104, 128), 8)
    pen.ellipse((45, 50, 55, 60), YELLOW)


def _person(
    pen: Pen, skin: Colour, hair: Colour, clothes: tuple[Colour, Colour], *, long: bool
) -> None:
    """Draw a standing person: head at the top, hands at (27, 62) and (73, 62)."""
    top, legs = clothes
    if long:
        pen.box((37, 8, 63, 40), hair, 10)
    pen.box((40, 58, 49, 96), legs, 2)
    pen.box((51, 58, 60, 96), legs, 2)
    pen.line((40, 38), (27, 62), fill=top, width=8)
    pen.line((60, 38), (73, 62), fill=top, width=8)
    pen.ellipse((23, 58, 31, 67), skin)
    pen.ellipse((69, 58, 77, 67), skin)
    pen.box((37, 32, 63, 64), top, 6)
    pen.box((46, 26, 54, 36), skin)
    pen.ellipse((39, 6, 61, 31), skin)
    pen.arc((39, 5, 61, 33), (180, 360), hair, 5)
    pen.ellipse((44, 17, 47, 20), INK)
    pen.ellipse((53, 17, 56, 20), INK)
    pen.arc((45, 18, 55, 27), (30, 150), RED, 1.4)


def draw_woman(pen: Pen) -> None:
    """Draw a woman in red with long dark hair."""
    _person(pen, (232, 186, 152), (62, 42, 36), (RED, (70, 74, 110)), long=True)


def draw_man(pen: Pen) -> None:
    """Draw a man in blue with short brown hair."""
    _person(pen, (214, 164, 126), (112, 74, 46), (BLUE, (92, 82, 72)), long=False)


def draw_girl(pen: Pen) -> None:
    """Draw a girl in yellow with long fair hair."""
    _person(pen, (242, 202, 170), (220, 178, 96), (YELLOW, TEAL), long=True)


def draw_old_man(pen: Pen) -> None:
    """Draw an old man in green with white hair."""
    _person(pen, (146, 100, 74), (232, 232, 228), (GREEN, GREY), long=False)


def _ground(pen: Pen, sky: Colour, ground: Colour) -> None:
    for step in range(12):
        lightened = tuple(value + (255 - value) * step // 18 for value in sky)
        pen.box((0, step * 5, 100, step * 5 + 6), (lightened[0], lightened[1], lightened[2]))
    pen.box((0, 60, 100, 100), ground)


def draw_beach(pen: Pen) -> None:
    """Draw sun, sea and sand."""
    _ground(pen, (96, 176, 226), (232, 210, 158))
    pen.ellipse((76, 8, 88, 24), (252, 226, 120))
    pen.box((0, 50, 100, 66), (56, 130, 176))
    pen.box((0, 64, 100, 68), (180, 220, 230))


def draw_meadow(pen: Pen) -> None:
    """Draw hills, grass and two trees."""
    _ground(pen, (128, 186, 232), (122, 178, 92))
    pen.ellipse((-20, 44, 60, 90), (104, 160, 88))
    pen.ellipse((40, 48, 130, 92), (88, 146, 82))
    pen.box((0, 70, 100, 100), (122, 178, 92))
    for x in (8, 90):
        pen.box((x - 1, 44, x + 1, 66), BROWN)
        pen.ellipse((x - 7, 26, x + 7, 52), GREEN)


def draw_room(pen: Pen) -> None:
    """Draw a room with a window."""
    pen.box((0, 0, 100, 100), (226, 208, 190))
    pen.box((0, 68, 100, 100), (150, 108, 78))
    pen.box((0, 66, 100, 69), WHITE)
    pen.box((60, 12, 90, 46), WHITE)
    pen.box((62, 14.5, 74, 44), (150, 200, 230))
    pen.box((76, 14.5, 88, 44), (150, 200, 230))


def draw_city(pen: Pen) -> None:
    """Draw a city at night."""
    _ground(pen, (30, 34, 74), (70, 72, 84))
    for number, x in enumerate(range(0, 100, 14)):
        top = 18 + (number * 17) % 26
        pen.box((x, top, x + 12, 68), (46, 46, 70))
        for y in range(top + 4, 62, 9):
            pen.box((x + 2, y, x + 5, y + 4), YELLOW if (number + y) % 3 else INK)
            pen.box((x + 7, y, x + 10, y + 4), INK if (number + y) % 3 else YELLOW)


def draw_snow(pen: Pen) -> None:
    """Draw mountains in winter."""
    _ground(pen, (170, 196, 220), (240, 244, 248))
    pen.polygon((-10, 72), (22, 18), (54, 72), fill=(130, 146, 170))
    pen.polygon((12, 35), (22, 18), (32, 35), fill=WHITE)
    pen.polygon((38, 72), (72, 26), (112, 72), fill=(112, 130, 158))
    pen.polygon((62, 40), (72, 26), (83, 40), fill=WHITE)
    pen.box((0, 70, 100, 100), (240, 244, 248))
