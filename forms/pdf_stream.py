"""A PDF written front to back, object by object, so that memory does not grow with the pages.

Only what print runs need: objects under numbers handed out beforehand, pages in a tree of
three levels, a classic cross-reference table. What is kept per page is one reference while its
leaf fills, and eight bytes per object for the table.
"""

from __future__ import annotations

import hashlib
import zlib
from array import array
from typing import BinaryIO

_FAN_OUT = 64
"""Children of a node of the page tree."""

_HEADER = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
_TABLE_ROWS = 4096
"""Rows of the cross-reference table written at once."""


class _Node:
    """A node of the page tree that is still filling."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.kids: list[int] = []
        self.pages = 0


class PdfStream:
    """A PDF under way: objects go out at once and are never looked at again.

    Args:
        out: where to write; neither read nor sought.
        first_number: the first object number to hand out; smaller ones are the caller's own.
    """

    def __init__(self, out: BinaryIO, *, first_number: int = 1) -> None:
        self._out = out
        self._offsets = array("Q", bytes(8 * first_number))
        self._first = first_number
        self._position = 0
        self._hash = hashlib.sha256()
        self.pages = 0
        self._write(_HEADER)
        self._root = _Node(self.reserve())
        self._middle: _Node | None = None
        self._leaf: _Node | None = None

    def reserve(self) -> int:
        """Hand out the number of an object to be written later."""
        self._offsets.append(0)
        return len(self._offsets) - 1

    def put(self, body: bytes, number: int | None = None) -> int:
        """Write one object.

        Args:
            body: its PDF syntax, without `obj` and `endobj`.
            number: where references to it point; a new one when None.

        Returns:
            The object's number.

        Raises:
            ValueError: an object of that number has been written before.
        """
        number = self.reserve() if number is None else number
        if self._offsets[number]:
            raise ValueError(f"object {number} is there already")
        self._offsets[number] = self._position
        self._write(b"%d 0 obj\n%b\nendobj\n" % (number, body))
        return number

    def put_stream(
        self, data: bytes, entries: bytes = b"", number: int | None = None, *, packed: bool = False
    ) -> int:
        """Write one stream object, deflated.

        Args:
            data: its content.
            entries: further PDF entries of its dictionary.
            number: as for `put`.
            packed: `data` is encoded already, as `entries` says.
        """
        if not packed:
            data, entries = zlib.compress(data, 6), entries + b" /Filter /FlateDecode"
        head = b"<< /Length %d %b >>" % (len(data), entries.strip())
        return self.put(head + b"\nstream\n" + data + b"\nendstream", number)

    def put_page(self, entries: bytes) -> None:
        """Write one page, after all pages before it.

        Args:
            entries: its PDF entries but /Type and /Parent.
        """
        if self._middle is None:
            self._middle = _Node(self.reserve())
        if self._leaf is None:
            self._leaf = _Node(self.reserve())
        leaf = self._leaf
        leaf.kids.append(self.put(b"<< /Type /Page /Parent %d 0 R %b >>" % (leaf.number, entries)))
        leaf.pages += 1
        self.pages += 1
        if len(leaf.kids) == _FAN_OUT:
            self._close_leaf()

    def finish(self, *, catalog: bytes, info: bytes) -> None:
        """Write the page tree's rest, the catalogue, the table and the trailer.

        Args:
            catalog: PDF entries of the catalogue but /Type and /Pages.
            info: PDF entries of the document information.

        Raises:
            ValueError: a number was handed out and nothing written under it.
        """
        self._close_leaf()
        self._close_middle()
        self._put_node(self._root, parent=None)
        root = self.put(b"<< /Type /Catalog /Pages %d 0 R %b >>" % (self._root.number, catalog))
        about = self.put(b"<< %b >>" % info)
        start, size = self._position, len(self._offsets)
        if 0 in self._offsets[self._first :]:
            raise ValueError("an object was promised and never written")
        self._write(b"xref\n")
        for first in range(0, size, _TABLE_ROWS):
            self._write(self._rows(first, min(first + _TABLE_ROWS, size)))
        name = self._hash.hexdigest()[:32].encode()
        self._write(
            b"trailer\n<< /Size %d /Root %d 0 R /Info %d 0 R /ID [<%b> <%b>] >>\n"
            b"startxref\n%d\n%%%%EOF\n" % (size, root, about, name, name, start)
        )

    def _rows(self, first: int, end: int) -> bytes:
        """Write one piece of the table; unused numbers are listed as free, as the format asks."""
        rows = [
            b"%010d 00000 n \n" % self._offsets[number]
            if self._offsets[number]
            else b"0000000000 65535 f \n"
            for number in range(first, end)
        ]
        return b"%d %d\n%b" % (first, end - first, b"".join(rows))

    def _close_leaf(self) -> None:
        if self._leaf is None or self._middle is None:
            return
        self._put_node(self._leaf, parent=self._middle)
        self._leaf = None
        if len(self._middle.kids) == _FAN_OUT:
            self._close_middle()

    def _close_middle(self) -> None:
        if self._middle is not None:
            self._put_node(self._middle, parent=self._root)
            self._middle = None

    def _put_node(self, node: _Node, *, parent: _Node | None) -> None:
        kids = b" ".join(b"%d 0 R" % kid for kid in node.kids)
        up = b""
        if parent is not None:
            up = b" /Parent %d 0 R" % parent.number
            parent.kids.append(node.number)
            parent.pages += node.pages
        self.put(b"<< /Type /Pages%b /Count %d /Kids [%b] >>" % (up, node.pages, kids), node.number)

    def _write(self, data: bytes) -> None:
        self._out.write(data)
        self._hash.update(data)
        self._position += len(data)
