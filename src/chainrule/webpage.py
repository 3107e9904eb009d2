"""The frame of a page of HTML that needs no network, in the light or the dark of the reader's screen."""

from __future__ import annotations

from html import escape

FRAME = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
{style}
</style>
</head>
<body>
{body}
</body>
</html>
"""


def webpage(title: str, style: str, body: str) -> str:
    """A whole page; the title is plain text, the style is CSS, and the body HTML.

    >>> from chainrule.webpage import webpage
    >>> page = webpage("a < b", "p { margin: 0 }", "<p>a</p>")
    >>> [line for line in page.splitlines() if "title" in line]
    ['<title>a &lt; b</title>']
    """
    return FRAME.format(title=escape(title), style=style, body=body)


def framed(page: str, height: str, may: str = "allow-scripts") -> str:
    """A page in a frame, as a notebook shows it: its script sees nothing of the notebook, and does what it `may`.

    >>> from chainrule.webpage import framed
    >>> framed("<p>a</p>", "9rem")[:32]
    '<iframe sandbox="allow-scripts" '
    """
    style = f"width:100%;height:{height};border:0"
    return f'<iframe sandbox="{may}" style="{style}" title="chainrule" srcdoc="{escape(page)}"></iframe>'
