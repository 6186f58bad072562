"""The words of the page itself: its controls, and the titles that no section has."""

from prunebench.reports.language.message import Message, say

PAGE_WORDS = {
    "task": say("Task"),
    "all": say("all"),
    "theme_system": say("Theme: as the system"),
    "theme_light": say("Theme: light"),
    "theme_dark": say("Theme: dark"),
    "contents": say("Contents"),
    "numbers": say("All numbers, and the method"),
    "repeat": say("repeat it"),
    "to_copy": say("copy"),
    "copied": say("copied"),
    "selected": say("selected"),
    "filter": say("filter rows"),
}


def picture(number: int) -> Message:
    """Name a picture above a table, for readers who do not see it."""
    return say("picture {number}", number=number)


LABELS = {
    "fa": (
        say("This translation was not reviewed by a native reader. In doubt, the English of `report.md` counts."),
        "The Persian of this page was not reviewed by a native reader. In doubt, the English of `report.md` counts.",
    )
}
