"""A backup taken while somebody writes is one moment of the database, with every blob of it."""

from pathlib import Path

from bench.backup import run


def test_backups_beside_a_writer_are_whole(tmp_path: Path) -> None:
    rounds = list(run(tmp_path, rounds=2))
    assert [each.wrong for each in rounds] == [(), ()]
    assert rounds[-1].pages > rounds[0].pages >= 18
