"""What we ask: form definitions, page identities, paper and where everything lies on it."""
