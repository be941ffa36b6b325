"""The paper simulator: prints real copies, fills them in as people do, scans them crookedly.

It keeps the truth of everything it writes, so that the product can be measured against it.
"""
