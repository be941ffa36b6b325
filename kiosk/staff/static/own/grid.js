// The grid by arrow keys. Space marks and Enter sends, as the browser itself has it.
'use strict'
;(() => {
  const boxes = [...document.querySelectorAll('.cell__wrong')]
  if (boxes.length === 0) return
  const middle = (box) => {
    const { left, top, width, height } = box.closest('.cell').getBoundingClientRect()
    return [left + width / 2, top + height / 2]
  }
  const beside = (from, across, down) => {
    const [x, y] = middle(from)
    let best = null
    let least = Infinity
    for (const box of boxes) {
      const [otherX, otherY] = middle(box)
      const ahead = (otherX - x) * across + (otherY - y) * down
      const aside = Math.abs((otherX - x) * down) + Math.abs((otherY - y) * across)
      if (ahead < 4 || ahead + 4 * aside >= least) continue
      best = box
      least = ahead + 4 * aside
    }
    return best
  }
  const ways = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }
  document.addEventListener('keydown', (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return
    const box = event.target
    if (!(box instanceof HTMLInputElement) || !box.classList.contains('cell__wrong')) return
    if (event.key === 'Enter') {
      event.preventDefault()
      box.form.requestSubmit()
      return
    }
    const way = ways[event.key]
    if (!way) return
    event.preventDefault()
    beside(box, way[0], way[1])?.focus()
  })
  boxes[0].focus()
})()
