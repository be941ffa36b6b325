"""One reader a kind of writing; each scores, none judges."""
