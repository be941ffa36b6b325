// Keys for people who verify. Every key stands for a link or a button that is on the page, so
// nothing here is needed: without it, Tab and Enter do the same.
import { initAll } from '/static/govuk-frontend.min.js'

initAll()

const typing = (element) =>
  element instanceof HTMLTextAreaElement ||
  (element instanceof HTMLInputElement && !['radio', 'checkbox', 'hidden'].includes(element.type))

// A page from the browser's memory may show what has changed since: fetch it again.
window.addEventListener('pageshow', (event) => {
  if (event.persisted) window.location.reload()
})

const first = document.querySelector('[autofocus]')
if (first instanceof HTMLElement && document.activeElement !== first) first.focus()

document.addEventListener('focusin', (event) => {
  if (event.target instanceof HTMLInputElement && 'select' in event.target.dataset) event.target.select()
})
if (document.activeElement instanceof HTMLInputElement && 'select' in document.activeElement.dataset) {
  document.activeElement.select()
}

// The arrow that points against the reading direction goes back.
const rightToLeft = document.documentElement.dir === 'rtl'
const named = (event) => {
  if (event.ctrlKey || event.metaKey) return ''
  if (!event.altKey) return event.key
  const back = rightToLeft ? 'ArrowRight' : 'ArrowLeft'
  const on = rightToLeft ? 'ArrowLeft' : 'ArrowRight'
  if (event.key === back || event.key === 'ArrowUp') return 'Alt+Back'
  if (event.key === on || event.key === 'ArrowDown') return 'Alt+On'
  return ''
}

document.addEventListener('keydown', (event) => {
  if (event.isComposing || event.repeat) return
  const key = named(event)
  if (!key) return
  const command = [...document.querySelectorAll('[data-key]')].find((e) => e.dataset.key === key)
  if (command) {
    event.preventDefault()
    command.click()
    return
  }
  if (typing(event.target) || event.shiftKey || event.altKey) return
  const picked = [...document.querySelectorAll('[data-pick]')].find((e) => e.dataset.pick === key.toLowerCase())
  if (picked) {
    event.preventDefault()
    picked.focus()
    picked.click()
  }
})

// A full day or month box hands on to the next one.
document.addEventListener('input', (event) => {
  const box = event.target
  if (!(box instanceof HTMLInputElement) || !box.dataset.digits) return
  if (box.value.length < Number(box.dataset.digits)) return
  const boxes = [...document.querySelectorAll('[data-digits]')]
  boxes[boxes.indexOf(box) + 1]?.focus()
})

// One answer, sent once.
const form = document.getElementById('ask')
let sent = false
form?.addEventListener('submit', (event) => {
  if (sent) event.preventDefault()
  sent = true
})
