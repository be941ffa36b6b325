"""What the kiosk says aloud: one small file for each string and language.

A folder holds a language's files, named by a hash of the English (`kiosk.wing.voice.name_of`);
`recorded/` holds what people recorded, under the same names, and wins. `python -m
kiosk.wing.audio` makes the rest.
"""
