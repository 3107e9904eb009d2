"""The course: chapters whose every number is computed when they are read, and exercises that mark themselves.

A chapter is one Markdown file in `chapters`. The terminal, the web book and notebooks are made of it.
"""

from chainrule.lessons.chapter import Chapter, chapters, read_chapter
from chainrule.lessons.exercise import Exercise, Marked, exercise
from chainrule.lessons.run import Run, run_chapter

__all__ = ["Chapter", "Exercise", "Marked", "Run", "chapters", "exercise", "read_chapter", "run_chapter"]
