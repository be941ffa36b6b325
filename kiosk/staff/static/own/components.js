// Wakes up GOV.UK Frontend's own components (buttons, error summaries, skip link).
import { initAll } from '/static/govuk-frontend.min.js'

document.body.classList.add('js-enabled', 'govuk-frontend-supported')
initAll()
