// Keys and live counts for the office's pages. Without it Tab, Space and links do the same.

// A key picks an answer of the question that somebody is in.
document.addEventListener('keydown', (event) => {
  if (event.isComposing || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return
  const at = event.target
  if (!(at instanceof HTMLInputElement) || !['radio', 'checkbox'].includes(at.type)) return
  const group = at.closest('[data-picks]')
  const key = event.key.toLowerCase()
  const picked = [...(group?.querySelectorAll('[data-own]') ?? [])].find((each) => each.dataset.own === key)
  if (!picked) return
  event.preventDefault()
  picked.focus()
  picked.click()
})

// One slip, sent once.
let sent = false
document.querySelector('.slipform')?.addEventListener('submit', (event) => {
  if (sent) event.preventDefault()
  sent = true
})

for (const button of document.querySelectorAll('[data-print]')) {
  button.hidden = false
  button.addEventListener('click', () => window.print())
}

// How far the files are that were just sent. The server ends it; then the page is fetched anew.
const board = document.querySelector('[data-progress]')
if (board) {
  const told = new EventSource(board.dataset.progress)
  told.addEventListener('counts', (event) => {
    const counts = JSON.parse(event.data)
    for (const cell of board.querySelectorAll('[data-count]')) cell.textContent = counts[cell.dataset.count] ?? 0
  })
  told.addEventListener('done', () => {
    told.close()
    window.location.replace(board.dataset.then)
  })
  told.addEventListener('over', () => told.close())
  window.addEventListener('pagehide', () => told.close())
}
