// Passkeys: asks the browser to make one or to prove one, and sends the answer as an ordinary form.
// Where the browser knows none, or scripts are off, the forms stay hidden and other ways are shown.
'use strict'

const bytesOf = (text) =>
  Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0))

const textOf = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')

const described = (list) => (list ?? []).map((each) => ({ ...each, id: bytesOf(each.id) }))

const optionsFrom = (asked) => ({
  ...asked,
  challenge: bytesOf(asked.challenge),
  ...(asked.user && { user: { ...asked.user, id: bytesOf(asked.user.id) } }),
  ...(asked.allowCredentials && { allowCredentials: described(asked.allowCredentials) }),
  ...(asked.excludeCredentials && { excludeCredentials: described(asked.excludeCredentials) }),
})

const answerOf = (credential) => {
  const parts = ['clientDataJSON', 'attestationObject', 'authenticatorData', 'signature', 'userHandle']
  const response = {}
  for (const part of parts) if (credential.response[part]) response[part] = textOf(credential.response[part])
  return JSON.stringify({
    id: credential.id,
    rawId: textOf(credential.rawId),
    type: credential.type,
    response,
    clientExtensionResults: {},
  })
}

const ask = async (form) => {
  const body = new URLSearchParams({ csrf: form.elements.csrf.value })
  const answer = await fetch(form.dataset.ask, { method: 'POST', body })
  // Somebody has to sign in again, or to show once more who they are: the site says so on a page.
  if (answer.redirected) {
    location.assign(answer.url)
    return null
  }
  if (!answer.ok) throw new Error('not asked')
  const publicKey = optionsFrom(await answer.json())
  const way = form.dataset.passkey === 'new' ? 'create' : 'get'
  return navigator.credentials[way]({ publicKey })
}

const proveWith = async (form) => {
  const failed = form.querySelector('[data-failed]')
  failed.hidden = true
  try {
    const credential = await ask(form)
    if (!credential) return
    form.elements.credential.value = answerOf(credential)
    form.submit()
  } catch {
    failed.hidden = false
    failed.focus()
  }
}

document.addEventListener('DOMContentLoaded', () => {
  if (!window.PublicKeyCredential) return
  for (const form of document.querySelectorAll('form[data-passkey]')) {
    form.hidden = false
    form.addEventListener('submit', (event) => {
      event.preventDefault()
      proveWith(form)
    })
  }
})
