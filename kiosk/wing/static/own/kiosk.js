// What the glass does by itself. All of it works without this script; with it, a pad answers at
// once, the screen is read out, and the page notices that nobody is there, or that the server is
// gone. Nothing is ever put into the browser's storage.
'use strict'

const one = (selector, within = document) => within.querySelector(selector)
const all = (selector, within = document) => [...within.querySelectorAll(selector)]
const seconds = (name) => Number(document.body.dataset[name])

document.documentElement.classList.add('script')

const bare = document.body.dataset.bare === 'yes'
const screen = document.body.dataset.screen
const form = one('#ask')

const send = (act) => {
  const sent = new URLSearchParams(new FormData(form))
  sent.set('act', act)
  return fetch('/touch', { method: 'POST', body: sent, redirect: 'manual', cache: 'no-store' })
}

// Home is where every screen stands; replacing keeps the history at one line.
const home = () => window.location.replace('/')

// One touch, sent once.
let sent = false
document.addEventListener('submit', (event) => {
  if (sent) event.preventDefault()
  sent = true
})

// A page from the browser's memory may show what has been wiped: fetch it again.
window.addEventListener('pageshow', (event) => {
  if (event.persisted) window.location.reload()
})

document.addEventListener('contextmenu', (event) => event.preventDefault())
document.addEventListener('dragstart', (event) => event.preventDefault())

// The clock of the cover

const tell = () => {
  const now = new Date()
  const two = (number) => String(number).padStart(2, '0')
  for (const clock of all('[data-clock]')) {
    clock.textContent = `${two(now.getHours())}:${two(now.getMinutes())}`
  }
}
tell()
setInterval(tell, 5000)

// Hide: the cover is up before the server knows of it.

one('#hide')?.addEventListener('click', async (event) => {
  event.preventDefault()
  one('#cover').hidden = false
  stopVoice()
  try {
    await send('hide')
    home()
  } catch {
    gone()
  }
})

// Pads

const pad = one('[data-pad]')
const typed = one('#typed')

const drawPad = () => {
  const places = pad.dataset.pad.split(' ')
  const value = typed.value
  const full = value.length >= places.length
  const now = full ? '' : places[value.length]
  all('[data-box]', pad).forEach((box, at) => {
    box.textContent = value[at] ?? ''
    box.classList.toggle('box--now', at === value.length)
  })
  for (const keys of all('[data-keys]', pad)) {
    keys.hidden = keys.dataset.keys !== (now || places.at(-1))
    for (const key of all('[name="key"]', keys)) key.disabled = full
  }
  for (const prompt of all('[data-prompt]', pad)) prompt.hidden = prompt.dataset.prompt !== now
}

pad?.addEventListener('click', (event) => {
  const key = event.target.closest('.key')
  if (!key) return
  event.preventDefault()
  if ('rub' in key.dataset) typed.value = typed.value.slice(0, -1)
  else if (typed.value.length < pad.dataset.pad.split(' ').length) typed.value += key.value
  one('.govuk-error-summary')?.remove()
  drawPad()
})

const board = one('[data-board]')

board?.addEventListener('click', (event) => {
  const key = event.target.closest('.key')
  if (!key) return
  event.preventDefault()
  const room = Number(board.dataset.longest) - typed.value.length
  if ('rub' in key.dataset) typed.value = [...typed.value].slice(0, -1).join('')
  else if ('nextPage' in key.dataset) {
    const pages = all('[data-page]', board)
    const at = pages.findIndex((page) => !page.hidden)
    pages.forEach((page, number) => (page.hidden = number !== (at + 1) % pages.length))
  } else if ('space' in key.dataset) typed.value += room > 0 ? ' ' : ''
  else if (key.value.length <= room) typed.value += key.value
})

// Nobody there: ask, then wipe.

const idle = one('#idle')
let asking = 0
let touched = Date.now()
let told = Date.now()

// While the screen says "use paper", nobody is asked anything.
const onPaper = () => panel !== null && !panel.hidden

const ask = () => {
  if (!idle || idle.open || onPaper()) return
  stopVoice()
  idle.showModal()
  asking = Date.now()
  const wait = Math.max(1, seconds('left') - seconds('still'))
  one('#idle-left').max = wait
  const count = setInterval(() => {
    if (!idle.open || onPaper()) return clearInterval(count)
    const left = wait - (Date.now() - asking) / 1000
    one('#idle-left').value = Math.max(0, left)
    if (left <= 0) {
      clearInterval(count)
      send('stop').then(home, gone)
    }
  }, 250)
}

const more = async () => {
  told = touched = Date.now()
  try {
    const answer = await fetch('/more', {
      method: 'POST',
      body: new URLSearchParams({ csrf: one('[name="csrf"]', form).value }),
      cache: 'no-store',
    })
    if (answer.status === 404) home()
  } catch {
    // The watch below says when the server is gone.
  }
}

one('#idle-more')?.addEventListener('click', () => {
  idle.close()
  more()
})
idle?.addEventListener('cancel', (event) => event.preventDefault())

const onTouch = () => {
  if (idle?.open) return
  touched = Date.now()
  if (!bare && touched - told > 10000) more()
}
for (const kind of ['pointerdown', 'keydown']) document.addEventListener(kind, onTouch, true)

setInterval(() => {
  if (document.body.dataset.left === undefined) return
  const still = (Date.now() - touched) / 1000
  if (bare) {
    // A receipt, the cover, or a rest screen that somebody has changed clears by itself.
    const over = (Date.now() - told) / 1000 > seconds('left') + 1
    if (over && document.body.dataset.resets !== 'no') home()
  } else if (still >= seconds('still')) ask()
}, 500)

// Is the server still there? Two seconds between questions, two to answer: told within five.

const panel = one('#gone')

const gone = () => {
  if (!panel) return
  stopVoice()
  if (idle?.open) idle.close()
  panel.hidden = false
}

// The server is back: what stands on the glass goes on, unless its draft has ended meanwhile. To
// ask for that is not to touch the glass.
const back = async () => {
  panel.hidden = true
  if (bare) return home()
  const answer = await fetch('/time', { redirect: 'manual', cache: 'no-store' })
  if (answer.type === 'opaqueredirect') home()
}

const alive = async () => {
  try {
    const answer = await fetch('/alive', { cache: 'no-store', signal: AbortSignal.timeout(2000) })
    if (!answer.ok) throw new Error('away')
    if (panel && !panel.hidden) await back()
  } catch {
    if (!['done', 'word'].includes(screen)) gone()
  }
  setTimeout(alive, 2000)
}
setTimeout(alive, 1000)

// The voice

const voice = one('#voice')
const sound = new Audio()
let speaking = []

const quiet = () => {
  for (const each of all('.speaking')) each.classList.remove('speaking')
}

function stopVoice() {
  speaking = []
  sound.pause()
  quiet()
}

const next = () => {
  quiet()
  const words = speaking.shift()
  if (!words) return
  if (!words.getClientRects().length) return next()
  words.classList.add('speaking')
  sound.src = `/hear/${words.dataset.hear}`
  sound.play().catch(next)
}
sound.addEventListener('ended', next)

const speak = () => {
  stopVoice()
  speaking = all('[data-hear]').filter((words) => !words.closest('[hidden]'))
  next()
}

one('#listen')?.addEventListener('click', (event) => {
  const voiced = event.currentTarget.dataset.voiced === 'yes'
  one('#voice-none').hidden = voiced
  one('#voice-keys').hidden = !voiced
  voice.hidden = false
  if (voiced) speak()
})

voice?.addEventListener('click', (event) => {
  const key = event.target.closest('[data-voice]')?.dataset.voice
  if (key === 'again') speak()
  if (key === 'stop') {
    stopVoice()
    voice.hidden = true
  }
  if (key === 'louder') sound.volume = Math.min(1, sound.volume + 0.2)
  if (key === 'quieter') sound.volume = Math.max(0.1, sound.volume - 0.2)
})
