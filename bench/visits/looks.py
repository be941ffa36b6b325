"""What is wrong with a screen as it stands on the glass: for axe, for a finger, for a reader."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from urllib.parse import urljoin

from playwright.sync_api import Error, Page

SMALLEST_PX = 64
"""Side of the smallest thing to press."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """What was measured on a screen.

    Attributes:
        scrolls: px that a man would have to scroll down.
        aside: px that he would have to scroll aside.
        small: words on what is too small to press.
        cut: words whose ink leaves the card, the bar or the glass they stand on.
        overlaid: words on things to press that lie over each other.
    """

    scrolls: int
    aside: int
    small: list[str] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    overlaid: list[str] = field(default_factory=list)

    @property
    def fits(self) -> bool:
        """Say whether all of it can be read and pressed without scrolling."""
        return self.scrolls <= 1 and self.whole

    @property
    def whole(self) -> bool:
        """Say whether all of it can be read and pressed, if need be by scrolling down."""
        return self.aside <= 1 and not (self.small or self.cut or self.overlaid)


def look(page: Page) -> Look:
    """Measure the screen that stands there; scripts of the page need not run."""
    return Look(**page.evaluate(_MEASURE, SMALLEST_PX))


def violations(page: Page) -> list[str]:
    """Ask axe what is wrong with a screen, in a browser that runs scripts."""
    page.evaluate(_axe())
    # Words alone are handed over: all that axe found, passes included, takes longer than its look.
    found: list[str] = page.evaluate(_ASK)
    return found


def violations_without_scripts(page: Page, eyes: Page) -> list[str]:
    """Ask axe what is wrong with a screen as a browser without scripts shows it.

    Args:
        page: of a browser that runs no script, so axe cannot run in it.
        eyes: of one that does; it is given the same screen, what is meant for browsers without
            scripts included.
    """
    html = re.sub(r"<script\b.*?</script>", "", page.content(), flags=re.DOTALL)
    html = re.sub(r"<meta http-equiv=.refresh.[^>]*>", "", html)
    html = re.sub(r"</?noscript>", "", html)
    where = urljoin(page.url, "/as-shown")
    with suppress(Error):
        eyes.unroute(where)
    eyes.route(where, lambda asked: asked.fulfill(body=html, content_type="text/html"))
    eyes.goto(where)
    return violations(eyes)


@lru_cache(maxsize=1)
def _axe() -> str:
    folder = Path(__file__).parents[2] / "tests" / "assets"
    return (folder / "axe.min.js").read_text("utf-8")


_ASK = """axe.run(document, {
  rules: { 'target-size': { enabled: true }, 'color-contrast-enhanced': { enabled: true } },
  resultTypes: ['violations'],
}).then(({ violations }) => violations.flatMap(
  ({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 160)}`)))"""

_MEASURE = """(smallest) => {
  const all = (what) => [...document.querySelectorAll(what)]
  const over = all('.over').find((e) => e.getClientRects().length)
  const here = (e) => (!over || over.contains(e)) && e.getClientRects().length > 0 &&
    !e.closest('.govuk-visually-hidden, .govuk-skip-link')
  const main = document.querySelector('.main') || document.documentElement
  const page = document.documentElement
  const said = (e) => (e.innerText || e.value || '').trim()
  const press = all('button, a.govuk-button, .govuk-checkboxes__input').filter(here)
  const small = press.filter((e) => {
    const r = e.getBoundingClientRect()
    return r.width < smallest - 0.1 || r.height < smallest - 0.1
  })
  const seen = (e) => {  // What is scrolled out of sight lies over nothing.
    const [r, m] = [e.getBoundingClientRect(), main.getBoundingClientRect()]
    if (main === page || !main.contains(e)) return r
    const [top, bottom] = [Math.max(r.top, m.top), Math.min(r.bottom, m.bottom)]
    return { left: r.left, right: r.right, top, bottom }
  }
  const overlaid = press.filter((e, at) => press.slice(at + 1).some((other) => {
    const [a, b] = [seen(e), seen(other)]
    return Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
      Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1
  }))
  const pen = document.createElement('canvas').getContext('2d')
  const cut = []
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  while (texts.nextNode()) {
    const node = texts.currentNode
    const parent = node.parentElement
    if (!node.data.trim() || !here(parent) || parent.closest('script, style, noscript')) continue
    const card = parent.closest('button, .govuk-button, .govuk-checkboxes__label, .line, ' +
      '.receipt, .note, .govuk-error-summary, .box, .top, .foot, .voice') || page
    const edge = card === page ? { left: 0, right: innerWidth, top: 0, bottom: 1e6 }
      : card.getBoundingClientRect()
    const style = getComputedStyle(parent)
    pen.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`
    pen.direction = style.direction
    for (const word of node.data.matchAll(/\\S+/g)) {
      const range = document.createRange()
      range.setStart(node, word.index)
      range.setEnd(node, word.index + word[0].length)
      const ink = pen.measureText(word[0])
      for (const r of range.getClientRects()) {
        const base = r.top + ink.fontBoundingBoxAscent
        const top = Math.min(base - ink.actualBoundingBoxAscent, r.bottom)
        const bottom = Math.max(base + ink.actualBoundingBoxDescent, r.top)
        if (r.left < edge.left - 1 || r.right > edge.right + 1 ||
            top < edge.top - 1 || bottom > edge.bottom + 1) cut.push(word[0])
      }
    }
  }
  return {
    scrolls: Math.max(main.scrollHeight - main.clientHeight, page.scrollHeight - innerHeight),
    aside: Math.max(main.scrollWidth - main.clientWidth, page.scrollWidth - innerWidth),
    small: small.map(said),
    cut,
    overlaid: overlaid.map(said),
  }
}"""
