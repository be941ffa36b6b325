"""The base of every failure that a person can put right."""


class UserError(Exception):
    """What happened and what to do about it, in words for the person who can act.

    Subclasses set `code` (stable, for machines), `message` (what happened) and `remedy`
    (what to do). Neither sentence ever holds an answer, a name or a prison number.
    """

    code = "error"
    message = "Something went wrong."
    remedy = "Try again, or ask the person who looks after this system."

    def __init__(self, message: str | None = None, *, remedy: str | None = None) -> None:
        if message is not None:
            self.message = message
        if remedy is not None:
            self.remedy = remedy
        super().__init__(f"{self.message} {self.remedy}")
