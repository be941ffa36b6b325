// The queue without waiting: what comes next is fetched before it is asked for, and an answer is
// sent while the next one is already on the screen. Without this script, and whenever anything is
// odd, the same form goes the plain way. An answer that was not kept comes back to the screen.
'use strict'
;(() => {
  const ENOUGH = 6
  const TRIES = 4

  const main = () => document.querySelector('body > .wide > main')
  const queue = () => main()?.querySelector('[data-queue]')?.dataset.queue ?? ''
  if (!queue()) return

  const shelf = document.createElement('div')
  shelf.id = 'ahead'
  shelf.hidden = true
  shelf.inert = true
  document.body.append(shelf)

  const next = [] // { href, page: Promise<HTMLElement | null>, ready: HTMLElement | null }
  const known = new Set([location.pathname + location.search])
  let asking = false // for the addresses of what comes next
  let over = false // nothing more waits
  let sending = Promise.resolve()
  let unsent = 0
  let stopped = false
  const waited = new WeakSet() // forms whose next question was not here when they were sent

  // A document is parsed by the browser itself: no markup is made by script.
  const fetched = (method, href, body) =>
    new Promise((resolve, reject) => {
      const request = new XMLHttpRequest()
      request.open(method, href)
      request.responseType = 'document'
      request.timeout = 20000
      request.setRequestHeader('Accept', 'text/html')
      if (body) request.setRequestHeader('X-Ahead', '1')
      request.onload = () => resolve(request)
      request.onerror = request.ontimeout = () => reject(new Error('no answer'))
      request.send(body)
    })

  const seen = (page) =>
    Promise.all(
      [...page.querySelectorAll('image')].map((image) => {
        const copy = new Image()
        copy.src = image.getAttribute('href')
        return copy.decode().catch(() => null)
      }),
    )

  const fetchAhead = async (item) => {
    const answer = await fetched('GET', item.href)
    const page = answer.responseXML?.querySelector('main')
    if (answer.status !== 200 || !page || !page.querySelector('[data-queue]')) return null
    document.adoptNode(page)
    page.dataset.title = answer.responseXML.title
    shelf.append(page)
    await seen(page)
    item.ready = page
    return page
  }

  const more = async () => {
    if (asking || over || stopped || next.length >= ENOUGH) return
    asking = true
    try {
      const last = next.length ? new URL(next[next.length - 1].href, location).pathname : ''
      const from = last ? last.replace(/^\/pages\/([^/]+)\/fields\/(.+)$/, '/verify/ahead/$1/$2') : queue()
      const answer = await fetch(from, { headers: { Accept: 'application/json' } })
      if (!answer.ok || answer.redirected) return
      const fresh = (await answer.json()).filter((href) => !known.has(href))
      over = fresh.length === 0 && next.length === 0 && unsent === 0
      for (const href of fresh) {
        known.add(href)
        const item = { href, ready: null }
        item.page = fetchAhead(item).catch(() => null)
        next.push(item)
      }
    } catch {
      // The next answer goes the plain way, or asks again.
    } finally {
      asking = false
    }
  }

  const answered = [] // addresses, to go back to
  const showBack = () => {
    const link = main()?.querySelector('[data-key="Alt+Back"]')
    const before = answered[answered.length - 1]
    if (!link || !before) return
    link.href = before
    link.closest('li').hidden = false
  }

  // What is typed while an answer comes back belongs to neither question.
  let deafUntil = 0
  window.addEventListener(
    'keydown',
    (event) => {
      if (performance.now() > deafUntil) return
      event.preventDefault()
      event.stopImmediatePropagation()
    },
    true,
  )

  const say = (text) => {
    const place = main()?.querySelector('#kept')
    if (place) place.textContent = text
  }

  const show = (page, href) => {
    page.hidden = false
    main().replaceWith(page)
    if (page.dataset.title) document.title = page.dataset.title
    history.replaceState(null, '', href)
    showBack()
    begin()
  }

  // An answer that was not kept: what the server says of it is shown, and what was on the screen
  // meanwhile waits with all that was typed into it.
  const bringBack = (instead, href) => {
    const now = main()
    const there = location.pathname + location.search
    if (now.isConnected && there !== href) {
      const item = { href: there, ready: now, page: Promise.resolve(now) }
      next.unshift(item)
    }
    show(instead, href)
    deafUntil = performance.now() + 700
    const told = instead.querySelector('[role="alert"]:not([hidden])')
    if (!told) return
    told.tabIndex = -1
    told.focus()
  }

  const send = async (form, body, href, page) => {
    for (let attempt = 1; ; attempt++) {
      try {
        const answer = await fetched('POST', form.getAttribute('action'), body)
        if (answer.status === 204) return
        const where = new URL(answer.responseURL)
        if (where.pathname === '/sign-in') return void location.assign(where)
        const told = answer.responseXML?.querySelector('main')
        if (told) return bringBack(document.adoptNode(told), href)
        throw new Error(String(answer.status))
      } catch {
        if (attempt < TRIES) {
          say(main()?.querySelector('#kept')?.dataset.again ?? '')
          await new Promise((resolve) => setTimeout(resolve, 400 * 2 ** attempt))
          continue
        }
        // It goes the plain way once more, so that the browser itself says what is wrong.
        stopped = true
        page.querySelector('.unsent')?.removeAttribute('hidden')
        return bringBack(page, href)
      }
    }
  }

  const leave = (event) => event.preventDefault()
  const count = (change) => {
    unsent += change
    if (unsent === 1 && change === 1) window.addEventListener('beforeunload', leave)
    if (unsent === 0) window.removeEventListener('beforeunload', leave)
  }

  document.addEventListener('submit', (event) => {
    const form = event.target
    const act = event.submitter?.value ?? 'decide'
    if (form.id !== 'ask' || act === 'draft' || stopped || event.defaultPrevented) return
    const item = next[0]
    const picks = [...form.querySelectorAll('[type="radio"]')]
    const nothing = act === 'decide' && picks.length > 0 && !picks.some((radio) => radio.checked)
    const sendAgain = () => {
      if (!form.isConnected) return
      sent.delete(form)
      form.requestSubmit(event.submitter)
    }
    if (queue() && item && !item.ready && !nothing && !waited.has(form)) {
      // What comes next is on its way.
      event.preventDefault()
      waited.add(form)
      Promise.race([item.page, new Promise((resolve) => setTimeout(resolve, 1500))]).then(sendAgain)
      return
    }
    if (!queue() || !item?.ready || nothing) {
      // The plain way, once all before it has been kept.
      if (unsent > 0) {
        event.preventDefault()
        sending.then(sendAgain)
      }
      return
    }
    event.preventDefault()
    const body = new FormData(form, event.submitter)
    const page = main()
    const href = location.pathname + location.search
    next.shift()
    answered.push(href)
    show(item.ready, item.href)
    count(1)
    sending = sending
      .then(() => (stopped ? bringBack(page, href) : send(form, new URLSearchParams(body), href, page)))
      .finally(() => {
        count(-1)
        sent.delete(form)
        say('')
      })
    more()
  })

  // Whoever goes elsewhere goes when everything is kept.
  document.addEventListener('click', (event) => {
    const link = event.target instanceof Element ? event.target.closest('a[href]') : null
    if (!link || unsent === 0 || stopped || event.defaultPrevented) return
    event.preventDefault()
    sending.then(() => window.location.assign(link.href))
  })

  window.setTimeout(more)
})()
