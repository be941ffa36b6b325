// Says to the style sheet that scripts run (GOV.UK Frontend looks for these classes).
document.body.classList.add('js-enabled', 'govuk-frontend-supported')
