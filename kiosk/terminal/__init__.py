"""The locked-down wing terminal, in layers: each is made here, and tried alone and together.

policy (`policies`), keymap (`keymap`), page script (`kiosk/wing/static/own/glass.js`), supervisor
(`supervisor`, with `windows`), firewall, units and USB list (`machine`), identity (`identity`),
and what says of a terminal whether they hold (`verify`). It runs on the terminal with Python's
own library and nothing else.
"""
