// What the glass will not take: keys no screen of ours needs, and clicks that open something. It
// is one of the terminal's layers and holds where the others do not: Shift+Enter opens a second
// window whatever the browser's policies say. Nothing here is needed to use a screen.
'use strict'

const stop = (event) => {
  event.preventDefault()
  event.stopImmediatePropagation()
}
const watch = (kinds, refuse) => {
  for (const kind of kinds) {
    window.addEventListener(kind, (event) => refuse(event) && stop(event), {
      capture: true,
      passive: false,
    })
  }
}
const held = (event) => event.ctrlKey || event.altKey || event.metaKey
const plain = new Set(['Tab', 'Enter', 'Backspace', 'Delete', 'Home', 'End'])
for (const arrow of ['Left', 'Right', 'Up', 'Down']) plain.add(`Arrow${arrow}`)

watch(['keydown', 'keypress', 'keyup'], (event) => {
  if (held(event) || event.getModifierState('AltGraph')) return true
  if (event.shiftKey && event.key !== 'Tab' && event.key.length > 1) return true
  if ([...event.key].length === 1) return false
  return !plain.has(event.key)
})
watch(['mousedown', 'mouseup', 'pointerdown', 'click', 'submit'], (event) => {
  if (event.button > 0) return true
  return held(event) || event.shiftKey === true
})
watch(['auxclick', 'contextmenu', 'selectstart', 'copy', 'cut', 'paste'], () => true)
watch(['dragstart', 'dragenter', 'dragover', 'drop'], () => true)
watch(['wheel'], (event) => held(event))
watch(['touchstart', 'touchmove'], (event) => event.touches.length > 1)
watch(['gesturestart', 'gesturechange'], () => true)

// The supervisor reads in the window's name which screen is up, and that the page still runs.
// Only our own page can write it: it says no word of anybody.
const name = document.title
const signs = () => {
  let beat = 0
  const sign = () => {
    document.title = `${name} | ${document.body.dataset.screen} | ${beat}`
    beat += 1
  }
  sign()
  setInterval(sign, 3000)
}
if (document.body) signs()
else document.addEventListener('DOMContentLoaded', signs)
