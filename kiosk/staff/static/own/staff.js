// Keys for people who verify. Every key stands for a link or a button that is on the page, so
// nothing here is needed: without it, Tab and Enter do the same. Loaded before the page is drawn,
// so that no key is pressed in vain.
'use strict'

// What was fetched ahead waits in the page and is nobody's yet: see verify.js.
const all = (selector) => [...document.querySelectorAll(selector)].filter((element) => !element.closest('#ahead'))

const typing = (element) =>
  element instanceof HTMLTextAreaElement ||
  (element instanceof HTMLInputElement && !['radio', 'checkbox', 'hidden'].includes(element.type))

const wantsSelecting = (element) => element instanceof HTMLInputElement && 'select' in element.dataset

// The arrow that points against the reading direction goes back.
const named = (event) => {
  if (event.ctrlKey || event.metaKey) return ''
  if (!event.altKey) return event.key
  if (/^[1-9]$/.test(event.key)) return `Alt+${event.key}`
  const rightToLeft = document.documentElement.dir === 'rtl'
  if (event.key === (rightToLeft ? 'ArrowRight' : 'ArrowLeft') || event.key === 'ArrowUp') return 'Alt+Back'
  if (event.key === (rightToLeft ? 'ArrowLeft' : 'ArrowRight') || event.key === 'ArrowDown') return 'Alt+On'
  return ''
}

// In a box of words Enter makes a new line, Ctrl and Enter sends, and Esc leaves the box: it never
// throws away what was typed.
const typedInto = (event) => {
  const button = event.target.form?.querySelector('[value="decide"]')
  if (event.key === 'Enter' && event.ctrlKey) button?.click()
  else if (event.key === 'Escape' && event.target.value) button?.focus()
  else return false
  event.preventDefault()
  return true
}

// A key that is held answers nothing twice: what comes after an answer waits for a new press.
const HELD = ['Enter', 'Escape', 'F4', ' ']
document.addEventListener(
  'keydown',
  (event) => {
    if (!event.repeat || (!HELD.includes(event.key) && !event.altKey)) return
    if (event.key !== 'Escape' && event.key !== 'F4' && !event.altKey && event.target instanceof HTMLTextAreaElement) return
    if (event.key === ' ' && typing(event.target)) return
    event.preventDefault()
    event.stopImmediatePropagation()
  },
  true,
)

document.addEventListener('keydown', (event) => {
  if (event.isComposing || event.repeat) return
  if (event.target instanceof HTMLTextAreaElement && typedInto(event)) return
  const key = named(event)
  if (!key) return
  const command = all('[data-key]').find((element) => element.dataset.key === key)
  if (command) {
    event.preventDefault()
    command.click()
    return
  }
  if (typing(event.target) || event.shiftKey || event.altKey) return
  const picked = all('[data-pick]').find((element) => element.dataset.pick === key.toLowerCase())
  if (picked) {
    event.preventDefault()
    picked.focus()
    picked.click()
  }
})

document.addEventListener('focusin', (event) => {
  if (wantsSelecting(event.target)) event.target.select()
})

// A full day or month box hands on to the next one.
document.addEventListener('input', (event) => {
  const box = event.target
  if (!(box instanceof HTMLInputElement) || !box.dataset.digits) return
  if (box.value.length < Number(box.dataset.digits)) return
  const boxes = all('[data-digits]')
  boxes[boxes.indexOf(box) + 1]?.focus()
})

// One answer, sent once.
const sent = new WeakSet()
document.addEventListener('submit', (event) => {
  if (event.target.id !== 'ask') return
  if (sent.has(event.target)) event.preventDefault()
  sent.add(event.target)
})

// A larger picture, at a key.
document.addEventListener('click', (event) => {
  const button = event.target instanceof Element ? event.target.closest('[data-zoom]') : null
  if (!button) return
  const large = all('.look')[0]?.classList.toggle('look--zoom') ?? false
  button.setAttribute('aria-pressed', String(large))
})

// Whoever has begun to type is left where they are, and what they typed is not selected: their next
// key would replace it. The browser may have put the focus there long before the last script came.
const begin = () => {
  const first = all('[autofocus]')[0]
  const at = document.activeElement
  if (first instanceof HTMLElement && (!at || at === document.body)) first.focus()
}
document.addEventListener('DOMContentLoaded', begin)

// A page from the browser's memory may show what has changed since: fetch it again.
window.addEventListener('pageshow', (event) => {
  if (event.persisted) window.location.reload()
})
